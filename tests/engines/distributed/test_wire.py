"""What processes tell one another arrives as it was."""

from math import nan

from forage.core.records import Completion, Group, Problem, Rollout, Score, Start
from forage.engines.distributed.wire import (
    completions_from_bytes,
    completions_to_bytes,
    groups_from_bytes,
    groups_to_bytes,
)


def test_groups_arrive_with_their_modes() -> None:
    start = Start(Problem("p", "1 + 1", "2", "sums"), prefix=(4,), draw=1, group_size=2)
    rollout = Rollout(start, (1, 2), (-0.5, -1.0), (0.1, 0.2), "text", (1, 2), "eos", 3)
    answered = Rollout(start, (1, 9, 2), (-0.5, nan, -1.0), (0.1, nan, 0.2), "t", (2, 3), "eos", 3, ((1, 2),))
    scores = (Score(1.0, {"correct": 1.0}, (0.5, 1.0), graded=True, mode="1+1"), Score(0.0, {"correct": 0.0}))
    groups = [Group(start, (rollout, rollout), scores)]
    assert groups_from_bytes(groups_to_bytes(groups)) == groups
    (found,) = groups_from_bytes(groups_to_bytes([Group(start, (answered, rollout), scores)]))
    assert repr(found.rollouts) == repr((answered, rollout))


def test_completions_arrive_with_what_an_environment_wrote() -> None:
    finished = [(4, (Completion((1, 9, 2), (-0.5, nan, -1.0), (0.1, nan, 0.2), "eos", ((1, 2),)),))]
    assert repr(completions_from_bytes(completions_to_bytes(finished))) == repr(finished)

"""What processes tell one another arrives as it was."""

from forage.core.records import Group, Problem, Rollout, Score, Start
from forage.engines.distributed.wire import groups_from_bytes, groups_to_bytes


def test_groups_arrive_with_their_modes() -> None:
    start = Start(Problem("p", "1 + 1", "2", "sums"), prefix=(4,), draw=1, group_size=2)
    rollout = Rollout(start, (1, 2), (-0.5, -1.0), (0.1, 0.2), "text", (1, 2), "eos", 3)
    scores = (Score(1.0, {"correct": 1.0}, (0.5, 1.0), graded=True, mode="1+1"), Score(0.0, {"correct": 0.0}))
    groups = [Group(start, (rollout, rollout), scores)]
    assert groups_from_bytes(groups_to_bytes(groups)) == groups

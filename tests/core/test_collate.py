import math
from dataclasses import replace

import pytest
import torch

from forage.core.collate import collate
from forage.core.records import Group, Origin, Score, Start
from support.builders import group, problem, rollout


def test_layout_by_hand() -> None:
    # Prompt (1, 2), prefix (3,); responses (5, 6) and (5, 6, 7): the first is padded by one token.
    batch = collate([group([1.0, 0.0], lengths=[2, 3], prefix=(3,))], lambda _: (1, 2))
    assert batch.tokens.tolist() == [[1, 2, 3, 5, 6, 0], [1, 2, 3, 5, 6, 7]]
    assert batch.loss_mask.int().tolist() == [[0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1]]
    assert batch.behaviour[0].tolist() == pytest.approx([0, 0, 0, -0.1, -0.2, 0])
    assert batch.entropy[1].tolist() == pytest.approx([0, 0, 0, 0.5, 0.6, 0.7])
    assert batch.reward.tolist() == [1.0, 0.0]
    assert batch.group.tolist() == [0, 0]
    assert batch.origin.tolist() == [Origin.REPLAY, Origin.REPLAY]
    assert batch.version.tolist() == [3, 3]
    assert batch.lengths.tolist() == [5, 6]


def test_steps_and_step_rewards() -> None:
    start = Start(problem())
    member = rollout(start, (5, 6, 7, 8), steps=(1, 4))
    batch = collate([Group(start, (member,), (Score(1.0, steps=(0.25, 0.75)),))], lambda _: (1,))
    assert batch.step.tolist() == [[-1, 0, 1, 1, 1]]
    assert batch.step_reward.tolist() == [[0, 0.25, 0, 0, 0.75]]


def test_what_an_environment_wrote_is_read_and_not_learned_from() -> None:
    start = Start(problem())
    member = replace(rollout(start, (5, 6, 7, 8, 9), steps=(3, 5)), given=((1, 3),))
    batch = collate([Group(start, (member,), (Score(1.0, steps=(0.25, 0.75)),))], lambda _: (1,))
    assert batch.tokens.tolist() == [[1, 5, 6, 7, 8, 9]]
    assert batch.loss_mask.int().tolist() == [[0, 1, 0, 0, 1, 1]]
    assert batch.step.tolist() == [[-1, 0, -1, -1, 1, 1]]
    assert batch.step_reward.tolist() == [[0, 0.25, 0, 0, 0, 0.75]], "a step is rewarded at the policy's last token"
    assert batch.behaviour[0, 2:4].tolist() == batch.entropy[0, 2:4].tolist() == [0, 0]


def test_groups_are_numbered_in_order_and_unjudged_stays_nan() -> None:
    batch = collate([group([1.0]), group([math.nan, 0.0])], lambda _: (1,))
    assert batch.group.tolist() == [0, 1, 1]
    assert batch.reward.isnan().tolist() == [False, True, False]


def test_more_padding_changes_no_value_under_the_mask() -> None:
    short = collate([group([1.0, 0.0])], lambda _: (1, 2))
    both = collate([group([1.0, 0.0]), group([1.0], lengths=[9])], lambda _: (1, 2))
    for name in ("tokens", "behaviour", "entropy", "step"):
        expected = getattr(short, name)[short.loss_mask]
        found = getattr(both, name)[:2][both.loss_mask[:2]]
        assert torch.equal(expected, found), name


def test_nothing_to_collate() -> None:
    with pytest.raises(ValueError, match="no groups"):
        collate([], lambda _: (1,))

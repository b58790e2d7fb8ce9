"""Resampling, stopping and keeping by verdicts alone moves a softmax along grad P, as every such rule does.

Every history of Reinforce-Ada's rounds is enumerated: 2 draws a round, until one is right and one wrong or 3 rounds are
over; then one of each side is kept, and the baseline is the mean of the whole pool. pi = (.3, .1 | .4, .2), in float64.
"""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from forage.ops.rollout_budget import balanced_siblings
from forage.ops.segments import group_advantage

PI = torch.tensor([0.3, 0.1, 0.4, 0.2], dtype=torch.float64)
RIGHT = torch.tensor([1.0, 1, 0, 0], dtype=torch.float64)


def pools(before: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    for drawn in itertools.product(range(4), repeat=2):
        pool = (*before, *drawn)
        if len({m < 2 for m in pool}) == 2 or len(pool) == 6:
            yield pool
        else:
            yield from pools(pool)


def mean_update(*, adapted: bool) -> Tensor:
    """E[1/2 sum over the kept of A grad log pi]; with the pool's mean, or with that of the kept ones."""
    total = torch.zeros(4, dtype=torch.float64)
    for pool in pools():
        outcomes = torch.tensor(pool)
        kept = balanced_siblings(RIGHT[outcomes], torch.zeros(len(pool), dtype=torch.int64), keep=2)
        reward = RIGHT[outcomes] if adapted else RIGHT[outcomes[kept]]
        advantage = group_advantage(reward, torch.zeros(len(reward), dtype=torch.int64), scale="none")
        advantage = advantage[kept] if adapted else advantage
        scores = torch.nn.functional.one_hot(outcomes[kept], 4) - PI
        total += PI[outcomes].prod() * (advantage[:, None] * scores).sum(0) / 2
    return total


def test_which_right_answer_wins_is_not_changed() -> None:
    assert sum(float(PI[torch.tensor(pool)].prod()) for pool in pools()) == pytest.approx(1, abs=1e-12)
    direction = PI * (RIGHT - 0.4)
    for adapted in (True, False):
        update = mean_update(adapted=adapted)
        speed = float(update @ direction / (direction @ direction))
        assert speed > 0.5, "faster than Dr. GRPO on two siblings, whose speed is (G - 1) / G"
        assert (update - speed * direction).abs().max() < 1e-14


def test_kept_advantages_need_not_sum_to_zero() -> None:
    # Three wrong and one right in the pool: its mean is 1/4, and one of each side is kept.
    right, group = torch.tensor([0.0, 0, 0, 1]), torch.zeros(4, dtype=torch.int64)
    kept = balanced_siblings(right, group, keep=2)
    assert group_advantage(right, group, scale="none")[kept].tolist() == [-0.25, 0.75]

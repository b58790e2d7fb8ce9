"""Reward over the group's mean: maximum-likelihood reinforcement learning (arXiv 2602.02710)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Baseline
from forage.ops.success_advantages import maxrl_advantage


@dataclass(frozen=True, kw_only=True)
class MaxRL(Baseline):
    """(r - mean) / mean: the rarer a success is among its siblings, the more it counts. Rewards are 0 or more."""

    @property
    def min_group_size(self) -> int:
        return 2

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return maxrl_advantage(value, group)

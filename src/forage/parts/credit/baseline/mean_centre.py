"""Reward minus the mean of the siblings, alone: Dr. GRPO (Liu et al., arXiv 2503.20783)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Baseline
from forage.ops.segments import centre


@dataclass(frozen=True, kw_only=True)
class MeanCentre(Baseline):
    """Subtracts the group's mean, the response itself included: unbiased up to the factor 1 - 1/n for groups of n."""

    @property
    def min_group_size(self) -> int:
        return 2

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return centre(value, group)

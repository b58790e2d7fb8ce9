"""Reward minus the mean of the other siblings: RLOO (Kool et al. 2019; Ahmadian et al., arXiv 2402.14740)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Baseline
from forage.ops.segments import leave_one_out


@dataclass(frozen=True, kw_only=True)
class LeaveOneOut(Baseline):
    """Subtracts the mean of the others, which does not depend on the response: the gradient stays unbiased."""

    @property
    def min_group_size(self) -> int:
        return 2

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return leave_one_out(value, group)

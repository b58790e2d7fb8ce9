"""What a response has more than the mean of its siblings, and nothing for those below it."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Baseline
from forage.ops.segments import centre


@dataclass(frozen=True, kw_only=True)
class AboveMean(Baseline):
    """max(r - mean, 0): weights of a likelihood, so the update is weighted fine-tuning on the better siblings."""

    @property
    def min_group_size(self) -> int:
        return 2

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return centre(value, group).clamp_min(0)

"""Division by the group's standard deviation, as GRPO does (Shao et al., arXiv 2402.03300, section 4.1.2)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Baseline
from forage.ops.segments import scale_by_std


@dataclass(frozen=True, kw_only=True)
class StdScale(Baseline):
    """Divides by the standard deviation of the group plus `eps`; usually after `MeanCentre`.

    `ddof` 1 takes the sample standard deviation, as the common trainers do, 0 that of the population: with one right
    answer of eight the right one gets 2.47 or 2.65. `eps` only tames deviations of the size of a rounding error.
    """

    ddof: int = 1
    eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.ddof not in (0, 1):
            raise ForageError(f"ddof must be 1 (sample standard deviation) or 0 (population), not {self.ddof}.")
        if not self.eps >= 0:
            raise ForageError(f"eps is added to a standard deviation, so it must be 0 or more, not {self.eps}.")

    @property
    def min_group_size(self) -> int:
        return 2

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return scale_by_std(value, group, ddof=self.ddof, eps=self.eps)

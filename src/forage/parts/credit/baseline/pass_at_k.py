"""The advantage of training the best of k instead of the mean (arXiv 2508.10751; 2505.15201)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Baseline
from forage.ops.passk import pass_at_k_advantage


@dataclass(frozen=True, kw_only=True)
class PassAtK(Baseline):
    """What a response adds to the best of `k` of its siblings, in expectation over the subsets: exact, for any rewards.

    It sums to 0 over a group, so it stands instead of `MeanCentre`, which k = 1 equals.
    """

    k: int = 4

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ForageError(f"k counts siblings, so it must be at least 1, not {self.k}.")

    @property
    def min_group_size(self) -> int:
        return self.k + 1

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return pass_at_k_advantage(value, group, k=self.k)

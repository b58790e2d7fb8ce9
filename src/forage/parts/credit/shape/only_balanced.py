"""A pool of responses sets the baseline, and a balanced few of them are learned from."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class OnlyBalanced(Shape):
    """A * (1 + strength * (b n / k - 1)), b the signal `balanced`, n all tokens and k those with b = 1.

    With strength 1 the others have no advantage and a mean over tokens counts the kept ones only, as if the others had
    been dropped once their rewards had been averaged (arXiv 2510.04996). Advantages of a group then need not sum to 0.
    """

    strength: float = 1.0

    at = "sampling"
    needs = frozenset({"balanced"})

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ForageError(f"strength lies between 0 (off) and 1 (kept ones only), not {self.strength}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        kept = masked(signals["balanced"], loss_mask)
        scale = loss_mask.sum() / kept.sum().clamp_min(1)
        return masked(masked(advantage, loss_mask) * (1 + self.strength * (kept * scale - 1)), loss_mask)

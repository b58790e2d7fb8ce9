"""Credit for the late stage of training: by perplexity and by position (arXiv 2508.02260)."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.learning_stages import check_position, perplexity_scale, position_bonus, relative_position
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class PerplexityScale(Shape):
    """A * (1 - alpha * w), w the signal `perplexity`: responses that the policy found likely count more.

    A sign that would change is an error (see `perplexity_scale`).
    """

    alpha: float = 0.01

    at = "sampling"
    needs = frozenset({"perplexity"})

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        weight = masked(signals["perplexity"], loss_mask)
        return perplexity_scale(masked(advantage, loss_mask), weight, alpha=self.alpha)


@dataclass(frozen=True, kw_only=True)
class PositionBonus(Shape):
    """A + sign(A) * gamma * sigmoid(slope * (l - middle)), l from 0 at the first learned token to 1 at the last.

    The values of `slope` and `middle` are ours: the published ones are not known. A negative slope with the middle at
    1/2 is the mirror image: as much in all, at the beginning.
    """

    gamma: float = 0.1
    slope: float = 10.0
    middle: float = 0.5

    at = "sampling"

    def __post_init__(self) -> None:
        check_position(self.gamma, self.slope, self.middle)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        position = relative_position(loss_mask)
        shaped = position_bonus(
            masked(advantage, loss_mask), position, gamma=self.gamma, slope=self.slope, middle=self.middle
        )
        return masked(shaped, loss_mask)

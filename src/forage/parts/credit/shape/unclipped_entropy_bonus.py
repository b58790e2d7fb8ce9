"""A control of entropy-based advantage shaping: the bonus without its cap, which is a state baseline."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Moment, Shape
from forage.ops.entropy import check_alpha
from forage.ops.entropy_placebos import unclipped_entropy_bonus
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class UnclippedEntropyBonus(Shape):
    """A + alpha * H, H detached: an offset that depends on the state alone.

    Under exact on-policy sampling its expected gradient is zero, so what remains of the entropy bonus without the cap
    is variance and ratio clipping. Advantages of 0 get it too, and signs may turn.
    """

    alpha: float = 0.4
    at: Moment = "update"

    needs = frozenset({"entropy"})
    keeps_zero = False

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(unclipped_entropy_bonus(advantage, signals["entropy"], alpha=self.alpha), loss_mask)

"""A control of entropy-based advantage shaping: the positive bias alone, equal on every token."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.entropy import check_alpha, check_kappa
from forage.ops.entropy_placebos import constant_bonus


@dataclass(frozen=True, kw_only=True)
class ConstantBonus(Shape):
    """A + c * |A| on every learned token, c such that the batch's mean bonus equals that of the entropy bonus.

    0 <= c <= 1 / kappa. `alpha` and `kappa` are those of the method that is controlled for. The mean is over the whole
    batch, which an update's micro-batches do not see: so this shape looks at the signals of the sampling policy.
    """

    alpha: float = 0.4
    kappa: float = 2.0

    at = "sampling"
    needs = frozenset({"entropy"})

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_kappa(self.kappa)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return constant_bonus(advantage, signals["entropy"], loss_mask, alpha=self.alpha, kappa=self.kappa)

"""A control of HICRA: the extra credit on everything but the planning tokens."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Moment, Shape
from forage.ops.masked import masked
from forage.ops.planning import check_planning_alpha, planning_credit


@dataclass(frozen=True, kw_only=True)
class InvertedPlanningCredit(Shape):
    """A + alpha * |A| on the learned tokens that are not planning tokens, A on those that are.

    Where planning tokens are few it pays far more in all than the rule of arXiv 2509.03646 does.
    """

    alpha: float = 0.2
    at: Moment = "sampling"

    needs = frozenset({"planning"})

    def __post_init__(self) -> None:
        check_planning_alpha(self.alpha)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(planning_credit(advantage, signals["planning"] == 0, alpha=self.alpha), loss_mask)

"""More credit for planning tokens (HICRA, Wang et al., arXiv 2509.03646)."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Moment, Shape
from forage.ops.masked import masked
from forage.ops.planning import check_planning_alpha, planning_credit


@dataclass(frozen=True, kw_only=True)
class PlanningCredit(Shape):
    """A + alpha * |A| on planning tokens, A elsewhere (section 3).

    Winning responses get more credit for their plans and losing ones less blame. Published: alpha 0.2, advantages
    mean-centered only. A negative alpha, down to above -1, is a control: it does the opposite on the same tokens.
    """

    alpha: float = 0.2
    at: Moment = "sampling"

    needs = frozenset({"planning"})

    def __post_init__(self) -> None:
        check_planning_alpha(self.alpha)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(planning_credit(advantage, signals["planning"], alpha=self.alpha), loss_mask)

"""A rule that is reported second-hand for the authors' code of HICRA; it is not the rule of the paper."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.masked import masked
from forage.ops.planning import check_planning_alpha, check_uncertain_share, most_uncertain, planning_credit


@dataclass(frozen=True, kw_only=True)
class ReportedPlanningCredit(Shape):
    """A + alpha * |A| on planning tokens, and on the uncertain tokens of right responses longer than their group.

    Uncertain are the `share` most uncertain tokens of the response, ties included. A port of HICRA to another trainer
    (pull request 4997 of TRL, not merged) describes this for the authors' code, where it is said to assign into a copy
    (`A[mask][other] *= c`) and so to change nothing; here it is in effect. The condition on length alone rewards
    length. Settled at sampling, since it compares siblings.
    """

    alpha: float = 0.2
    share: float = 0.3

    at = "sampling"
    needs = frozenset({"entropy", "planning", "long_success"})

    def __post_init__(self) -> None:
        check_planning_alpha(self.alpha)
        check_uncertain_share(self.share)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        uncertain = most_uncertain(masked(signals["entropy"].detach(), loss_mask), loss_mask, share=self.share)
        chosen = signals["planning"].bool() | (uncertain & signals["long_success"].bool())
        return masked(planning_credit(advantage, chosen & loss_mask, alpha=self.alpha), loss_mask)

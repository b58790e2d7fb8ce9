"""The entropy bonus and the planning credit together, under one cap."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Moment, Shape, Tallies
from forage.ops.entropy import check_alpha, check_kappa
from forage.ops.masked import masked
from forage.ops.planning import check_planning_alpha, entropy_planning_bonus, entropy_planning_wish


@dataclass(frozen=True, kw_only=True)
class EntropyPlanningBonus(Shape):
    """A + min(psi + planning_alpha * |A| * m, |A| / total_kappa), psi = min(entropy_alpha * H, |A| / kappa).

    psi is the bonus of arXiv 2506.14758 with H detached, m marks the planning tokens of arXiv 2509.03646. One after the
    other the two would compound, up to 1.8 |A| with the published settings; the common cap (ours) keeps every sign for
    `total_kappa` > 1. `at="update"` takes H from the policy being updated.
    """

    entropy_alpha: float = 0.4
    kappa: float = 2.0
    planning_alpha: float = 0.2
    total_kappa: float = 2.0
    at: Moment = "update"

    needs = frozenset({"entropy", "planning"})

    def __post_init__(self) -> None:
        check_alpha(self.entropy_alpha)
        check_kappa(self.kappa)
        check_planning_alpha(self.planning_alpha, least=0)
        check_kappa(self.total_kappa)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        shaped = entropy_planning_bonus(
            advantage,
            signals["entropy"],
            signals["planning"],
            entropy_alpha=self.entropy_alpha,
            kappa=self.kappa,
            planning_alpha=self.planning_alpha,
            total_kappa=self.total_kappa,
        )
        return masked(shaped, loss_mask)

    def tallies(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tallies:
        """`bonus_saturated`: the share of the tokens with an advantage whose bonus is at the common cap."""
        paid = loss_mask & (advantage != 0)
        wish = entropy_planning_wish(
            advantage,
            signals["entropy"],
            signals["planning"],
            entropy_alpha=self.entropy_alpha,
            kappa=self.kappa,
            planning_alpha=self.planning_alpha,
        )
        at_cap = wish >= advantage.abs() / self.total_kappa
        return {"bonus_saturated": ((at_cap & paid).sum(), paid.sum())}

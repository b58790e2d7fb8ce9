"""Entropy-based advantage shaping (Cheng et al., arXiv 2506.14758)."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Moment, Shape, Tallies
from forage.ops.entropy import check_alpha, check_kappa, entropy_bonus
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class EntropyBonus(Shape):
    """A + min(alpha * H, |A| / kappa) on every learned token, H detached (equations 5 and 6).

    `at="update"` takes H from the policy being updated, as published; "sampling" from the policy that sampled, so the
    bonus is the same in all updates of a batch. Published: alpha 0.4 with GRPO, 0.1 with PPO, kappa 2 in both.
    `positive_only` (ours, not the paper's) leaves negative advantages alone.
    """

    alpha: float = 0.4
    kappa: float = 2.0
    at: Moment = "update"
    positive_only: bool = False

    needs = frozenset({"entropy"})

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_kappa(self.kappa)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        entropy = signals["entropy"]
        if self.positive_only:
            entropy = entropy.masked_fill(advantage <= 0, 0)
        return masked(entropy_bonus(advantage, entropy, alpha=self.alpha, kappa=self.kappa), loss_mask)

    def tallies(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tallies:
        """`bonus_saturated`: the share of the tokens with an advantage whose bonus is at its cap."""
        paid = loss_mask & (advantage > 0 if self.positive_only else advantage != 0)
        at_cap = self.alpha * signals["entropy"] >= advantage.abs() / self.kappa
        return {"bonus_saturated": ((at_cap & paid).sum(), paid.sum())}

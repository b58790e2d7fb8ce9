"""A control of entropy-based advantage shaping: a bonus of equal mass on tokens that were picked by lot."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.entropy import check_alpha, check_kappa
from forage.ops.masked import masked
from forage.parts.credit.shape.constant_bonus import entropy_bonus_total


@dataclass(frozen=True, kw_only=True)
class RandomTokenBonus(Shape):
    """A + |A| / kappa on random learned tokens of the batch, as many as give the entropy bonus's sum.

    The tokens are taken in the order of the signal `noise` until the sum of their bonuses is that of the entropy bonus
    over the whole batch; the last one gets what is missing, so the sums are equal. As many tokens as a fully saturated
    entropy bonus would touch, and none of them chosen for its entropy. The sum is over the batch, so this shape looks
    at the signals of the sampling policy.
    """

    alpha: float = 0.4
    kappa: float = 2.0

    at = "sampling"
    needs = frozenset({"entropy", "noise"})

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_kappa(self.kappa)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        advantage = masked(advantage, loss_mask).double()
        total = entropy_bonus_total(advantage, signals["entropy"], loss_mask, alpha=self.alpha, kappa=self.kappa)
        cap = (advantage.abs() / self.kappa).flatten()
        order = signals["noise"].masked_fill(~loss_mask, torch.inf).flatten().argsort(stable=True)
        before = cap[order].cumsum(0) - cap[order]
        paid = (total - before).clamp_min(0).minimum(cap[order])
        bonus = torch.zeros_like(cap).scatter_(0, order, paid).view_as(advantage)
        return (advantage + bonus).to(torch.float32)

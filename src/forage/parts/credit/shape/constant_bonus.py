"""A control of entropy-based advantage shaping: the positive bias alone, equal on every token."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.entropy import check_alpha, check_kappa, entropy_bonus
from forage.ops.masked import masked, masked_sum


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
        advantage = masked(advantage, loss_mask).double()
        total = entropy_bonus_total(advantage, signals["entropy"], loss_mask, alpha=self.alpha, kappa=self.kappa)
        size = advantage.abs().sum()
        share = torch.where(size > 0, total / size, 0).clamp(0, 1 / self.kappa)
        return (advantage + share * advantage.abs()).to(torch.float32)


def entropy_bonus_total(advantage: Tensor, entropy: Tensor, loss_mask: Tensor, *, alpha: float, kappa: float) -> Tensor:
    """() float64: the sum over the learned tokens of the entropy bonus; `advantage` (B, T) float64."""
    exact = masked(entropy, loss_mask).double()
    return masked_sum(entropy_bonus(advantage, exact, alpha=alpha, kappa=kappa) - advantage, loss_mask)

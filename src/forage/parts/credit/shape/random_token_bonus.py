"""A control of entropy-based advantage shaping: a bonus of equal mass on tokens that were picked by lot."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.entropy import check_alpha, check_kappa
from forage.ops.entropy_placebos import random_token_bonus


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
        return random_token_bonus(
            advantage, signals["entropy"], signals["noise"], loss_mask, alpha=self.alpha, kappa=self.kappa
        )

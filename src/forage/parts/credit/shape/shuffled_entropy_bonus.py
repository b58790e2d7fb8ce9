"""A control of entropy-based advantage shaping: the right amounts of bonus in the wrong places."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Moment, Shape
from forage.ops.entropy import check_alpha, check_kappa, entropy_bonus
from forage.ops.entropy_placebos import shuffle_within_rows
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class ShuffledEntropyBonus(Shape):
    """The entropy bonus of arXiv 2506.14758 after the entropies were permuted among the tokens of each response.

    Each response keeps its entropies, so the sizes of the bonus are the method's; only where they fall is random. The
    permutation comes from the signal `noise`, so it is the same in all updates of a batch.
    """

    alpha: float = 0.4
    kappa: float = 2.0
    at: Moment = "update"

    needs = frozenset({"entropy", "noise"})

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_kappa(self.kappa)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        shuffled = shuffle_within_rows(signals["entropy"].detach(), signals["noise"], loss_mask)
        return masked(entropy_bonus(advantage, shuffled, alpha=self.alpha, kappa=self.kappa), loss_mask)

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
<<<<<<< HEAD


def shuffle_within_rows(values: Tensor, noise: Tensor, loss_mask: Tensor) -> Tensor:
    """`values` (B, T) permuted within each row among the tokens of `loss_mask` (B, T) bool, in the order of `noise`
    (B, T).

    The i-th learned token of a row gets the value of the learned token whose noise is the i-th smallest.
    """
    source = noise.masked_fill(~loss_mask, torch.inf).argsort(dim=1, stable=True)
    target = (~loss_mask).to(torch.int8).argsort(dim=1, stable=True)
    return torch.empty_like(values).scatter_(1, target, values.gather(1, source))
||||||| c9c5cb9


def shuffle_within_rows(values: Tensor, noise: Tensor, loss_mask: Tensor) -> Tensor:
    """`values` (B, T) permuted within each row among the tokens of `loss_mask` (B, T) bool, in the order of `noise` (B, T).

    The i-th learned token of a row gets the value of the learned token whose noise is the i-th smallest.
    """
    source = noise.masked_fill(~loss_mask, torch.inf).argsort(dim=1, stable=True)
    target = (~loss_mask).to(torch.int8).argsort(dim=1, stable=True)
    return torch.empty_like(values).scatter_(1, target, values.gather(1, source))
=======
>>>>>>> t6

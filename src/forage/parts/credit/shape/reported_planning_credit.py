"""A rule that is reported second-hand for the authors' code of HICRA; it is not the rule of the paper."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.masked import masked
from forage.ops.planning import check_planning_alpha, planning_credit


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
        if not 0 < self.share <= 1:
            raise ForageError(f"The share of uncertain tokens lies above 0 and up to 1, not {self.share}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        uncertain = most_uncertain(masked(signals["entropy"].detach(), loss_mask), loss_mask, self.share)
        chosen = signals["planning"].bool() | (uncertain & signals["long_success"].bool())
        return masked(planning_credit(advantage, chosen & loss_mask, alpha=self.alpha), loss_mask)


def most_uncertain(entropy: Tensor, loss_mask: Tensor, share: float) -> Tensor:
    """(B, T) bool: the ceil(share * tokens) learned tokens of each row with the largest `entropy`, ties included."""
    # A hair less, so that a share like 0.3 of 10 tokens is 3 of them and not, by rounding, 4.
    count = (loss_mask.sum(dim=1, keepdim=True).double() * share - 1e-9).ceil().to(torch.int64)
    ranked = entropy.masked_fill(~loss_mask, -torch.inf).sort(dim=1, descending=True).values
    least = ranked.gather(1, (count - 1).clamp_min(0))
    return loss_mask & (entropy >= least)

"""Only the best sibling counts: rejection-sampling fine-tuning as an advantage (RAFT, arXiv 2304.06767)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Baseline
from forage.ops.segments import best_of_group_advantage


@dataclass(frozen=True, kw_only=True)
class BestOfGroup(Baseline):
    """n for the best of n judged siblings, 0 for the others; siblings that tie share it.

    With the plain surrogate and the mean over sequences the loss is then the negative log-likelihood of the chosen
    responses. A group whose judged values are all equal chooses nothing and gets zeros.
    """

    @property
    def min_group_size(self) -> int:
        return 2

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return best_of_group_advantage(value, group)

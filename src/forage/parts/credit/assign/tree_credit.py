"""Credit along the tree that siblings form (TreeRL, arXiv 2506.11902)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Experience
from forage.core.protocols import Assign
from forage.ops.masked import masked
from forage.ops.shared_prefixes import check_power, tree_advantage


@dataclass(frozen=True, kw_only=True)
class TreeCredit(Assign):
    """((V - V_parent) + V) / n^power on the tokens that n siblings share, V the mean value of those n.

    Values are what the baselines left of the rewards. Siblings share a token where all tokens before are equal too.
    """

    power: float = 0.5

    def __post_init__(self) -> None:
        check_power(self.power)

    def __call__(self, value: Tensor, experience: Experience) -> Tensor:
        batch = experience.batch
        credit = tree_advantage(value, batch.tokens, batch.loss_mask, batch.group, power=self.power)
        return masked(credit, batch.loss_mask)

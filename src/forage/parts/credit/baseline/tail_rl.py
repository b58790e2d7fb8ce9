"""Maximum likelihood at every threshold of a graded reward (arXiv 2609.02987)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Baseline
from forage.ops.success_advantages import tailrl_advantage


@dataclass(frozen=True, kw_only=True)
class TailRL(Baseline):
    """Each rise of the sorted rewards, over the number of siblings that reach it, summed and centered.

    With 0/1 rewards it is `MaxRL` over the size of the group.
    """

    @property
    def min_group_size(self) -> int:
        return 2

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return tailrl_advantage(value, group)

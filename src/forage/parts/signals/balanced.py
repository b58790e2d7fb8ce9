"""Which responses of a pool are learned from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.masked import masked
from forage.ops.rollout_budget import balanced_siblings, check_keep


@dataclass(frozen=True, kw_only=True)
class Balanced(Signal):
    """`balanced`: 1 on all tokens of the `keep` responses of each group that are chosen half right and half wrong.

    See `ops.rollout_budget.balanced_siblings`; right is what the verdict calls right. 0 on all others.
    """

    keep: int = 4

    name = "balanced"

    def __post_init__(self) -> None:
        check_keep(self.keep)

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        scores = [score for group in groups for score in group.scores]
        right = torch.tensor([float(score.correct) if score.judged else torch.nan for score in scores])
        column = balanced_siblings(right, batch.group.cpu(), keep=self.keep).float().to(batch.tokens.device)[:, None]
        return masked(column.expand(batch.tokens.shape), batch.loss_mask)

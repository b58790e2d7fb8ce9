"""The bonus that a memory put on the scores of a step, as a signal."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.masked import masked

PART = "novelty_bonus"
"""The part of a score that holds the bonus."""


@dataclass(frozen=True, kw_only=True)
class NoveltyBonus(Signal):
    """`novelty_bonus` of every response, on all of its tokens, or with `at_end` on the last one that is learned from.

    0 where a score has no such part.
    """

    at_end: bool = False

    name = PART

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        values = [score.parts.get(PART, 0.0) for group in groups for score in group.scores]
        column = torch.tensor(values, dtype=torch.float32, device=batch.tokens.device)[:, None]
        spread = masked(column.expand(batch.tokens.shape), batch.loss_mask)
        if not self.at_end:
            return spread
        learned = batch.loss_mask.cumsum(1)
        return masked(spread, batch.loss_mask & (learned == learned[:, -1:]))

"""Which responses are right and long: a condition of a rule that is reported for HICRA second-hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.masked import masked
from forage.parts.signals.success_rate import success


@dataclass(frozen=True, kw_only=True)
class LongSuccess(Signal):
    """`long_success`: 1 on all tokens of a right response with more tokens than its group's mean, 0 on all others.

    Right is a success of 1 (see `success_rate`). The mean is over all siblings and counts the tokens of the policy.
    """

    name = "long_success"

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        marks = [mark for group in groups for mark in _marks(group)]
        column = torch.tensor(marks, dtype=torch.float32, device=batch.tokens.device)[:, None]
        return masked(column.expand(batch.tokens.shape), batch.loss_mask)


def _marks(group: Group) -> list[bool]:
    lengths = [rollout.written for rollout in group.rollouts]
    return [
        score.judged and success(score) == 1 and length * len(lengths) > sum(lengths)
        for score, length in zip(group.scores, lengths, strict=True)
    ]

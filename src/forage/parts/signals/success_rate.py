"""How often the siblings of a response succeeded."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.protocols import Signal, Tools
from forage.core.records import Group, Score
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class SuccessRate(Signal):
    """`success_rate`, in [0, 1]: the mean success of the judged siblings of the start, equal on all their tokens.

    Success is the verifier's `correct` part where the score has one, whatever else the reward adds or takes; otherwise
    the reward held between 0 and 1. A group without a judged sibling has 0.5, which favors neither side.
    """

    name = "success_rate"

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        rates = [rate for group in groups for rate in [_rate(group)] * len(group.scores)]
        column = torch.tensor(rates, dtype=torch.float32, device=batch.tokens.device)[:, None]
        return masked(column.expand(batch.tokens.shape), batch.loss_mask)


def _rate(group: Group) -> float:
    successes = [success(score) for score in group.scores if score.judged]
    return sum(successes) / len(successes) if successes else 0.5


def success(score: Score) -> float:
    """In [0, 1]: the verifier's `correct` part, or the reward held between 0 and 1 where the score has none."""
    return min(max(score.parts.get("correct", score.value), 0.0), 1.0)

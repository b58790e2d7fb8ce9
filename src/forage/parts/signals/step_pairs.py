"""Which steps are preferred to which: pairs from the tree that siblings form (arXiv 2405.00451)."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Signal, Tools
from forage.core.records import Group, Rollout
from forage.core.spans import own_before
from forage.ops.preferences import visit_smoothing
from forage.parts.values.step_search import TreeSearch
from forage.parts.values.step_tree import Branching, grow, pairs

PairLabels = Literal["value", "random"]


@dataclass(frozen=True, kw_only=True)
class StepPairs(Signal):
    """`step_pair`: the number of a pair, from 1, on the tokens of its preferred step, and minus the number on those of
    the other one; 0 elsewhere.

    Of the next steps that siblings took from one state the one of highest mean score and the one of lowest make a pair
    where they differ by more than `gap`. A step that several siblings share is marked in the first of them.

    With a `search` the tree is the one that `StepSearch` grew by it, and steps are ranked by Q and then by visits.
    `labels` "random" is the control: the same pairs, and a coin says which step of each is the preferred one.
    """

    gap: float = 0.0
    search: TreeSearch | None = None
    labels: PairLabels = "value"

    name = "step_pair"

    def __post_init__(self) -> None:
        if self.gap < 0:
            raise ForageError(f"The gap between the values of a pair must be 0 or more, not {self.gap}.")
        if self.labels not in get_args(PairLabels):
            raise ForageError(f"A pair is labeled by value or at random, not by {self.labels!r}.")

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        marks, loss_mask = torch.zeros(batch.tokens.shape, dtype=torch.float32), batch.loss_mask.cpu()
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        coin = random.Random(seed)
        for number, (first, best, worst) in enumerate(_pairs(groups, self.gap, self.search), 1):
            sign = coin.choice((1.0, -1.0)) if self.labels == "random" else 1.0
            _mark(marks, loss_mask, rollouts, first, best, sign * number)
            _mark(marks, loss_mask, rollouts, first, worst, -sign * number)
        return marks.to(batch.tokens.device)


@dataclass(frozen=True, kw_only=True)
class PairSmoothing(Signal):
    """`pair_smoothing`: how far the preference is doubted, by the visits of its two steps, on the tokens of both."""

    gap: float = 0.0
    search: TreeSearch | None = None

    name = "pair_smoothing"

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        marks, loss_mask = torch.zeros(batch.tokens.shape, dtype=torch.float32), batch.loss_mask.cpu()
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        for first, best, worst in _pairs(groups, self.gap, self.search):
            for node in (best, worst):
                _mark(marks, loss_mask, rollouts, first, node, visit_smoothing(best.visits, worst.visits))
        return marks.to(batch.tokens.device)


def _pairs(
    groups: Sequence[Group], gap: float, search: TreeSearch | None
) -> Iterator[tuple[int, Branching, Branching]]:
    """(first row of the group, best, worst) of every pair, in order."""
    first = 0
    for group in groups:
        root = search.replay(group.rollouts, group.scores) if search else grow(group.rollouts, _values(group))
        if root is not None:
            yield from ((first, best, worst) for best, worst in pairs(root, gap=gap))
        first += len(group.rollouts)


def _values(group: Group) -> list[float]:
    return [score.value for score in group.scores]


def _mark(
    marks: Tensor, loss_mask: Tensor, rollouts: Sequence[Rollout], first: int, node: Branching, value: float
) -> None:
    row = first + node.row
    begin, end = (own_before(rollouts[row].given, place) for place in (node.begin, len(node.prefix)))
    marks[row, loss_mask[row].nonzero().squeeze(1)[begin:end]] = value

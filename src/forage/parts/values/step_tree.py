"""The tree that rollouts from one start form, step by step: visits, values, and where the next try pays.

A node is a prefix that ends with a step (its tokens after the start); rollouts that share tokens share nodes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from forage.core.records import Rollout
from forage.core.spans import own
from forage.ops.search import puct, step_prior

Prefix = tuple[int, ...]


@dataclass
class Node:
    """`visits` rollouts came through, worth `total`; `row` is the first of them, and its step here begins at `begin`.

    `prior` is exp(sum of log-probabilities / tokens^1.25) of the step, as its first visitor drew it. `terminal`: a
    rollout ended here.
    """

    prefix: Prefix
    begin: int
    row: int
    prior: float
    visits: int = 0
    total: float = 0.0
    terminal: bool = False
    children: list["Node"] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The mean over the visits: the backup of arXiv 2405.00451 for outcomes at the end and no discount."""
        return self.total / self.visits if self.visits else 0.0


class Branching(Protocol):
    """A node of any tree of steps, as pairs are made of it: `value` ranks siblings, `row` holds the step."""

    @property
    def prefix(self) -> Prefix: ...
    @property
    def begin(self) -> int: ...
    @property
    def row(self) -> int: ...
    @property
    def visits(self) -> int: ...
    @property
    def value(self) -> float: ...
    @property
    def children(self) -> Sequence["Branching"]: ...


def grow(rollouts: Sequence[Rollout], values: Sequence[float]) -> Node:
    """The root of the tree of `rollouts`, worth `values`; one whose value is NaN was not judged and is left out."""
    root = Node((), 0, -1, 1.0)
    for row, (rollout, value) in enumerate(zip(rollouts, values, strict=True)):
        if math.isnan(value):
            continue
        node, begin = root, 0
        _visit(root, value)
        for end in rollout.step_ends:
            prefix = rollout.tokens[:end]
            child = next((each for each in node.children if each.prefix == prefix), None)
            if child is None:
                child = Node(prefix, begin, row, step_prior(own(rollout.logprobs, rollout.given, begin, end)))
                node.children.append(child)
            _visit(child, value)
            node, begin = child, end
        node.terminal = True
    return root


def promising(root: Node, *, actions: int, exploration: float) -> Node:
    """Where to sample next: down from the root by Q + w p sqrt(N_parent) / (1 + N) (PUCT, arXiv 2405.00451), to the
    first node with fewer than `actions` different next steps, or whose next steps are all ends. Ties: the oldest."""
    node = root
    while True:
        inner = [child for child in node.children if not child.terminal]
        if len(node.children) < actions or not inner:
            return node
        node = max(inner, key=partial(_attraction, parent=node, exploration=exploration))


def pairs(root: Branching, *, gap: float = 0.0) -> list[tuple[Branching, Branching]]:
    """(best, worst) next step of every node whose next steps differ in value by more than `gap`, from the root down.

    Of steps of equal value the most visited one is the best and the least visited one the worst, as the search ranks
    them, and then the older one.
    """
    chosen: list[tuple[Branching, Branching]] = []
    waiting: list[Branching] = [root]
    while waiting:
        node = waiting.pop(0)
        waiting += node.children
        if len(node.children) > 1:
            best = max(node.children, key=lambda child: (child.value, child.visits, -child.row))
            worst = min(node.children, key=lambda child: (child.value, child.visits, child.row))
            if best.value - worst.value > gap:
                chosen.append((best, worst))
    return chosen


def _visit(node: Node, value: float) -> None:
    node.visits += 1
    node.total += value


def _attraction(child: Node, *, parent: Node, exploration: float) -> float:
    return puct(child.value, child.prior, child.visits, parent.visits, exploration=exploration)

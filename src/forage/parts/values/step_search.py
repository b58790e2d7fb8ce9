"""A search over steps: choose a leaf by PUCT, try its next steps, back up (MCTS-DPO, Xie et al., arXiv 2405.00451).

A search is settled by the responses in the order in which they were sampled and by their verdicts, so whoever has both
can grow the same tree again: nothing else need be kept of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from forage.core.errors import ForageError
from forage.core.records import Rollout, Score
from forage.ops.search import backed_up_value, puct, self_evaluated, step_prior, step_quality
from forage.parts.values.step_tree import Prefix


@dataclass
class SearchNode:
    """A prefix (tokens after the start) that ends with a step; `row` is the response that first took it, from `begin`.

    `estimate` is the value at first sight: the mean verdict on the responses that tried the step, mixed with the
    policy's confidence in it. `value` is Q, by which siblings are ranked; `state_value` is V, of what comes behind.
    """

    prefix: Prefix
    begin: int
    row: int
    depth: int
    prior: float
    confidence: float = math.nan
    terminal: bool = False
    estimate: float = 0.0
    value: float = 0.0
    state_value: float = 0.0
    visits: int = 0
    outcomes: list[float] = field(default_factory=list)
    children: list["SearchNode"] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class TreeSearch:
    """How a tree of steps is searched.

    An iteration goes down from the start to a leaf and, where that is no end and less than `depth` steps deep, tries
    `actions` next steps from there; either way it counts as a visit of every node on its path. `self_evaluation` is the
    weight of exp(mean log-probability) of a step beside the verdict on the response that goes on from it; `discount` is
    gamma of the backup and `exploration` the weight of rarely visited steps. Raises ForageError for settings that
    search nothing.
    """

    actions: int = 2
    depth: int = 3
    iterations: int = 64
    exploration: float = 1.0
    discount: float = 1.0
    self_evaluation: float = 0.0

    def __post_init__(self) -> None:
        if self.actions < 2 or min(self.depth, self.iterations) < 1 or not self.exploration >= 0:
            raise ForageError(
                "A search over steps needs at least 2 actions, a depth and iterations of at least 1 and an exploration "
                f"of 0 or more, not {self.actions}, {self.depth}, {self.iterations} and {self.exploration}."
            )
        if not (0 <= self.discount <= 1 and 0 <= self.self_evaluation <= 1):
            raise ForageError(
                "The discount and the weight of the self-evaluation must lie in 0 ... 1, not "
                f"{self.discount} and {self.self_evaluation}."
            )

    def open(self, budget: int) -> "SearchTree":
        """A search that may sample `budget` responses. Raises ForageError where those are too few for one expansion."""
        if budget < self.actions:
            raise ForageError(
                f"A search that tries {self.actions} next steps at a time needs groups of at least as many responses, "
                f"not {budget}. Raise `group_size`."
            )
        return SearchTree(self, budget)

    def replay(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> SearchNode | None:
        """The start of the tree that sampled these responses, searched to its end.

        None where that is impossible: a verdict is not the one that the search went by, because a verifier that ran out
        of time has now answered, or the other way round.
        """
        tree, values = self.open(len(rollouts)), [verdict(score) for score in scores]
        for first in range(0, len(rollouts), self.actions):
            leaf, tried = tree.advance(), rollouts[first : first + self.actions]
            if leaf is None or any(each.tokens[: len(leaf.prefix)] != leaf.prefix for each in tried):
                return None
            tree.expand(tried, values[first : first + self.actions])
        return tree.root if tree.advance() is None else None


class SearchTree:
    """A search under way: `advance` says where to sample, `expand` takes what was sampled there."""

    def __init__(self, plan: TreeSearch, budget: int) -> None:
        self.root = SearchNode((), 0, -1, 0, 1.0)
        self._plan = plan
        self._budget = budget
        self._iterations = plan.iterations
        self._rows = 0
        self._path: list[SearchNode] = []

    def advance(self) -> SearchNode | None:
        """Iterates to the next leaf that is worth `actions` responses; None at the end of the search."""
        while self._iterations > 0:
            self._iterations -= 1
            path = self._descend()
            if self._expandable(path[-1]):
                self._path = path
                return path[-1]
            self._back_up(path)
        return None

    def expand(self, rollouts: Sequence[Rollout], values: Sequence[float]) -> None:
        """The responses that go on from the leaf, and the verdicts on them: their first steps are its children.

        A step that several responses took is one child. A response that was not judged (NaN) makes none.
        """
        leaf = self._path[-1]
        for row, (rollout, value) in enumerate(zip(rollouts, values, strict=True), self._rows):
            if not math.isnan(value):
                _child(leaf, rollout, row).outcomes.append(value)
        for child in leaf.children:
            outcome = math.fsum(child.outcomes) / len(child.outcomes)
            child.estimate = self_evaluated(outcome, child.confidence, weight=self._plan.self_evaluation)
            child.value = self._quality(child, leaf)
        self._rows += len(rollouts)
        self._back_up(self._path)

    def _descend(self) -> list[SearchNode]:
        path = [self.root]
        while path[-1].children:
            parent = path[-1]
            path.append(max(parent.children, key=lambda child: self._attraction(child, parent)))
        return path

    def _attraction(self, child: SearchNode, parent: SearchNode) -> float:
        return puct(child.value, child.prior, child.visits, parent.visits, exploration=self._plan.exploration)

    def _expandable(self, leaf: SearchNode) -> bool:
        room = self._budget - self._rows >= self._plan.actions
        return room and not leaf.terminal and leaf.depth < self._plan.depth

    def _back_up(self, path: Sequence[SearchNode]) -> None:
        for place in reversed(range(len(path))):
            node = path[place]
            node.visits += 1
            children = node.children
            node.state_value = backed_up_value([each.value for each in children], [each.visits for each in children])
            if place:
                node.value = self._quality(node, path[place - 1])

    def _quality(self, node: SearchNode, parent: SearchNode) -> float:
        return step_quality(node.estimate, parent.estimate, node.state_value, discount=self._plan.discount)


def verdict(score: Score) -> float:
    """What the verifier said of a response, whatever rewards made of it later; NaN where it said nothing."""
    return score.parts.get("correct", score.value) if score.judged else math.nan


def _child(leaf: SearchNode, rollout: Rollout, row: int) -> SearchNode:
    """The child of the leaf for the step that the response took from there, made where it is new."""
    begin = len(leaf.prefix)
    end = next(end for end in rollout.step_ends if end > begin)
    prefix = rollout.tokens[:end]
    known = next((each for each in leaf.children if each.prefix == prefix), None)
    if known is not None:
        return known
    logprobs = [each for each in rollout.logprobs[begin:end] if math.isfinite(each)]
    prior = step_prior(logprobs) if logprobs else 1.0
    confidence = math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else math.nan
    terminal = end == len(rollout.tokens)
    leaf.children.append(SearchNode(prefix, begin, row, leaf.depth + 1, prior, confidence, terminal))
    return leaf.children[-1]

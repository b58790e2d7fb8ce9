"""A search tree whose nodes documents score: choice by UCT, backup, and the answer (RAG-Star, arXiv 2412.12881).

A node is a step, which asks something and answers it. It has its reward at once, by retrieval: no response need be
written to its end to know what a step is worth.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from forage.core.errors import ForageError
from forage.ops.search import uct
from forage.parts.values.step_tree import Prefix

BEST = 3
"""The largest reward of a step."""


@dataclass(frozen=True, kw_only=True)
class ClaimSearch:
    """How a tree of steps is searched with the help of documents.

    Each of at most `responses` rounds goes down by UCT, with the weight `exploration`, to the first step behind which
    fewer than `actions` different steps were tried, or none that can be gone on from, and writes a response from there;
    every step of it is scored and backed up. `refine` puts the documents' own answer in the place of one that they
    contradict; `stop` ends the search with the first response all of whose steps they support. Raises ForageError for
    settings that search nothing.
    """

    responses: int = 16
    actions: int = 2
    exploration: float = 1.0
    refine: bool = False
    stop: bool = True

    def __post_init__(self) -> None:
        if min(self.responses, self.actions) < 1 or not self.exploration >= 0:
            raise ForageError(
                "A search by documents needs at least 1 response and 1 action and an exploration of 0 or more, not "
                f"{self.responses}, {self.actions} and {self.exploration}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedStep:
    """A step of a response: the tokens as far as its end, what it asks and answers, and its reward, 0 to 3."""

    prefix: Prefix
    asked: str
    answered: str
    reward: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedResponse:
    """A response with its steps, up to one that does not fit. `answer` names what it answers in the end, if anything.

    `ended`: the last step is the end of the response, and not a place before it, where it was given up or refined.
    """

    text: str
    steps: tuple[JudgedStep, ...]
    answer: str | None
    ended: bool

    @property
    def reward(self) -> float:
        """The mean over its steps."""
        return sum(step.reward for step in self.steps) / len(self.steps)

    @property
    def settles(self) -> bool:
        """Whether no other response can have a larger reward."""
        return self.ended and self.reward == BEST


@dataclass
class ClaimNode:
    """A step and how often it, or one behind it, was judged; `total` adds up those rewards. The root has no step."""

    step: JudgedStep | None = None
    terminal: bool = False
    visits: int = 0
    total: float = 0.0
    children: list["ClaimNode"] = field(default_factory=list)

    @property
    def value(self) -> float:
        """Q, the mean reward of the visits, 0 to 3."""
        return self.total / self.visits if self.visits else 0.0

    @property
    def open(self) -> bool:
        """Whether a response can go on from here: a step that does not fit is no place to go on from."""
        return not self.terminal and (self.step is None or self.step.reward > 0)


def descend(root: ClaimNode, plan: ClaimSearch) -> list[ClaimNode]:
    """The path from the root to where the next response begins. Of equals the older step is taken."""
    path = [root]
    while True:
        node = path[-1]
        going_on = [child for child in node.children if child.open]
        if len(node.children) < plan.actions or not going_on:
            return path
        path.append(max(going_on, key=partial(_attraction, parent=node, exploration=plan.exploration)))


def grow(path: Sequence[ClaimNode], response: JudgedResponse) -> None:
    """Adds the steps of a response that begins at the end of `path`. Each is backed up through all before it."""
    way = list(path)
    for number, step in enumerate(response.steps[len(path) - 1 :], len(path)):
        node = next((child for child in way[-1].children if child.step and child.step.prefix == step.prefix), None)
        if node is None:
            node = ClaimNode(step)
            way[-1].children.append(node)
        node.terminal |= response.ended and number == len(response.steps)
        way.append(node)
        for each in way:
            each.visits += 1
            each.total += step.reward


def chosen(responses: Sequence[JudgedResponse]) -> int:
    """The place of the response that is handed in.

    One that ended, with the largest mean reward; then what most of those answer, then the first.
    """
    ranks = [(response.ended, response.reward) for response in responses]
    best = max(ranks)
    votes = Counter(each.answer for each, rank in zip(responses, ranks, strict=True) if rank == best and each.answer)
    return max(range(len(responses)), key=lambda place: (ranks[place], votes[responses[place].answer or ""], -place))


def _attraction(child: ClaimNode, *, parent: ClaimNode, exploration: float) -> float:
    return uct(child.value, child.visits, parent.visits, exploration=exploration)

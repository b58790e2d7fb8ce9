"""Coloring: color the last three vertices of a small graph, one of several right ways.

The smallest task in which a policy can lose ways of being right: a problem has 4 to 12 right answers of unequal mass
under the base model, a response is three digits, and all 27 can be listed, so what a model knows is computed exactly.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.colouring.graphs import COLORINGS, TEST, Coloring, Graph, graph_of, test_graphs, train_graphs
from forage.tasks.colouring.graphs import train_limit as graphs_to_train_on
from forage.tasks.enumerable import Enumerable

__all__ = ["ColoringTask"]

Answers = Literal["short", "long"]


@dataclass(frozen=True, kw_only=True)
class ColoringTask(Enumerable):
    """Color d, e and f of a graph whose a, b and c are colored, so that no edge joins equal colors.

    `answers="short"`: the colors of d, e and f, as `213`. `answers="long"`: vertices with their colors in any order,
    as `e1d2f3`, so that one coloring has six texts. The mode of a right response is its coloring. `seed` selects the
    training graphs; the test graphs do not depend on it, and neither meet the graphs that base models learned from.
    """

    name: ClassVar[str] = "colouring"

    answers: Answers = "short"
    seed: int = 0
    train_problems: int = 128
    test_problems: int = 256

    def __post_init__(self) -> None:
        if self.answers not in ("short", "long"):
            raise ForageError(f"Colorings have the answers 'short' and 'long', not {self.answers!r}.")
        for name, limit in (("train_problems", graphs_to_train_on()), ("test_problems", TEST)):
            if not 1 <= getattr(self, name) <= limit:
                raise ForageError(f"{name} must lie between 1 and {limit}, not {getattr(self, name)}.")

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in ("train", "test"):
            raise ForageError(f"Colorings have the splits 'train' and 'test', not {split!r}.")
        if split == "train":
            return tuple(_problem(graph) for graph in train_graphs(self.train_problems, seed=self.seed))
        return tuple(_problem(graph) for graph in test_graphs(self.test_problems))

    def verify(self, problem: Problem, text: str) -> Score:
        coloring = self._read(text)
        correct = float(coloring is not None and graph_of(_prompt(problem)).allows(coloring))
        return Score(value=correct, parts={"correct": correct, "commit": float(coloring is not None)})

    def answer(self, problem: Problem, text: str) -> str | None:
        coloring = self._read(text)
        return None if coloring is None else "".join(map(str, coloring))

    def mode(self, problem: Problem, text: str) -> str | None:
        return self.answer(problem, text)

    def reference(self, problem: Problem) -> str:
        return self.written(graph_of(_prompt(problem)).canonical[0])[0]

    def responses(self, problem: Problem) -> Sequence[str]:
        return [text for coloring in COLORINGS for text in self.written(coloring)]

    def written(self, coloring: Coloring) -> list[str]:
        """Every text that says this coloring."""
        if self.answers == "short":
            return ["".join(map(str, coloring))]
        pairs = [f"{vertex}{color}" for vertex, color in zip("def", coloring, strict=True)]
        return ["".join(order) for order in itertools.permutations(pairs)]

    def _read(self, text: str) -> Coloring | None:
        if self.answers == "long":
            if len(text) != 6 or sorted(text[::2]) != ["d", "e", "f"]:
                return None
            text = "".join(color for _, color in sorted(zip(text[::2], text[1::2], strict=True)))
        if len(text) != 3 or not set(text) <= set("123"):
            return None
        return int(text[0]), int(text[1]), int(text[2])


def _problem(graph: Graph) -> Problem:
    return Problem(
        id=f"colouring:{graph.prompt[:-1]}",
        prompt=graph.prompt,
        answer=" ".join("".join(map(str, coloring)) for coloring in graph.right),
        task=ColoringTask.name,
        tags=(f"{len(graph.right)} right",),
    )


def _prompt(problem: Problem) -> str:
    assert isinstance(problem.prompt, str)
    return problem.prompt

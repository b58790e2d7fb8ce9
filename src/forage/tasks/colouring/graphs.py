"""Graphs of six vertices whose first three are colored, and who may see which of them."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Coloring = tuple[int, int, int]
"""The colors (1 to 3) of d, e and f."""

VERTICES = "abcdef"
COLORINGS: tuple[Coloring, ...] = tuple(itertools.product((1, 2, 3), (1, 2, 3), (1, 2, 3)))
"""All 27, in the order of their digits."""
FEWEST, MOST = 4, 12
"""How many right answers a problem has."""


@dataclass(frozen=True, slots=True)
class Graph:
    """`colors` of a, b and c, and the earlier vertices that d, e and f have an edge to."""

    colors: Coloring
    neighbors: tuple[str, str, str]

    @property
    def prompt(self) -> str:
        """As `121|a..|.bc.|a..d.=`: colors, then the neighbors of d, of e and of f, a dot for each that is none."""
        rows = (
            "".join(other if other in known else "." for other in VERTICES[:place])
            for place, known in zip((3, 4, 5), self.neighbors, strict=True)
        )
        return "|".join(("".join(map(str, self.colors)), *rows)) + "="

    def allows(self, coloring: Coloring) -> bool:
        """Whether no edge joins equal colors."""
        color = dict(zip(VERTICES, (*self.colors, *coloring), strict=True))
        return all(
            color[vertex] != color[other]
            for vertex, known in zip("def", self.neighbors, strict=True)
            for other in known
        )

    @property
    def right(self) -> tuple[Coloring, ...]:
        return tuple(_right(self.colors, *self.neighbors))

    @property
    def canonical(self) -> tuple[Coloring, ...]:
        """The right colorings in the order in which the base model prefers them.

        Colors count from that of a, and the vertices are compared in an order that the color of b rotates: no coloring
        comes first in all problems.
        """
        first, turn = self.colors[0], self.colors[1] - 1

        def key(coloring: Coloring) -> Coloring:
            counted = [(color - first) % 3 for color in coloring]
            return (counted[turn], counted[(turn + 1) % 3], counted[(turn + 2) % 3])

        return tuple(sorted(self.right, key=key))


@lru_cache(maxsize=4096)
def graph_of(prompt: str) -> Graph:
    """The graph that a prompt shows."""
    colors, *rows = prompt.removesuffix("=").split("|")
    first, second, third = (row.replace(".", "") for row in rows)
    return Graph(_coloring(colors), (first, second, third))


def _coloring(digits: str) -> Coloring:
    first, second, third = map(int, digits)
    return first, second, third


@lru_cache(maxsize=1)
def all_graphs() -> tuple[Graph, ...]:
    """The graphs that have 4 to 12 right answers, 33,096 of them, in an order that is always the same and shuffled."""
    edges = [
        ["".join(chosen) for size in range(place + 1) for chosen in itertools.combinations(VERTICES[:place], size)]
        for place in (3, 4, 5)
    ]
    d, e, f = (_fitting(place, known) for place, known in zip((3, 4, 5), edges, strict=True))
    right = np.einsum("gdr,ger,gfr->gdef", d, e, f, optimize=True)
    graphs = [
        Graph(COLORINGS[given], (edges[0][d], edges[1][e], edges[2][f]))
        for given, d, e, f in np.argwhere((right >= FEWEST) & (right <= MOST)).tolist()
    ]
    random.Random("colouring graphs").shuffle(graphs)
    return tuple(graphs)


def _fitting(place: int, edges: Sequence[str]) -> NDArray[np.int64]:
    """1 where a vertex has another color than its neighbors: colors of a to c, neighbors, colors of d to f."""
    every = np.array(COLORINGS)
    colors = np.concatenate([np.repeat(every[:, None], 27, axis=1), np.repeat(every[None], 27, axis=0)], axis=2)
    same = colors[:, :, :place] == colors[:, :, place, None]
    known = np.array([[vertex in neighbors for vertex in VERTICES[:place]] for neighbors in edges])
    return 1 - (same[:, None] & known[:, None]).any(axis=-1).astype(np.int64)


def _right(colors: Coloring, *neighbors: str) -> Iterator[Coloring]:
    """The right colorings in the order of their digits: for each of d and e, what is left to the next."""
    known = dict(zip("abc", colors, strict=True))
    first, second, third = neighbors
    for d in _left(known, first):
        known["d"] = d
        for e in _left(known, second):
            known["e"] = e
            for f in _left(known, third):
                yield d, e, f


def _left(color: dict[str, int], known: str) -> list[int]:
    taken = {color[other] for other in known}
    return [each for each in (1, 2, 3) if each not in taken]


BASE, TEST = 20_000, 4_096
"""How many graphs the base model learns from, and how many more are kept for evaluations."""


def base_graphs() -> Sequence[Graph]:
    return all_graphs()[:BASE]


def test_graphs(amount: int) -> Sequence[Graph]:
    return all_graphs()[BASE : BASE + TEST][:amount]


def train_graphs(amount: int, *, seed: int) -> Sequence[Graph]:
    """`amount` of the graphs that are neither the base's nor for evaluations; `seed` selects which."""
    rest = all_graphs()[BASE + TEST :]
    return random.Random(f"colouring train {seed}").sample(rest, amount)


def train_limit() -> int:
    return len(all_graphs()) - BASE - TEST

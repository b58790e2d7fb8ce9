"""Responses made up for the tests of the analyzes."""

import math
import random
from collections.abc import Sequence

import numpy as np

from forage.analysis.measures.responses import Response

WORDS = ("because", "then", "the", "sum", "is", "four", "however", "so", "we", "add", "two")


def response(
    pieces: Sequence[str],
    entropies: Sequence[float] | None = None,
    *,
    problem: str = "p",
    correct: float = 1.0,
    logprobs: Sequence[float] | None = None,
    advantages: Sequence[float] | None = None,
    truncated: bool = False,
    replayed: bool = False,
) -> Response:
    zeros = [0.0] * len(pieces)
    return Response(
        problem=problem,
        pieces=tuple(pieces),
        entropies=np.array(entropies or zeros, dtype=np.float64),
        logprobs=np.array(logprobs or zeros, dtype=np.float64),
        advantages=np.array(advantages or zeros, dtype=np.float64),
        correct=correct,
        truncated=truncated,
        replayed=replayed,
    )


def words(text: str, entropies: Sequence[float] | None = None, **changes: float | str | bool) -> Response:
    """One token for each word, the space in front of it, as byte-pair vocabularies write them."""
    pieces = [word if index == 0 else f" {word}" for index, word in enumerate(text.split(" "))]
    return response(pieces, entropies, **changes)  # pyright: ignore[reportArgumentType]


def chatter(problems: int, group_size: int, *, seed: int, uncertain: float = 0.0) -> list[Response]:
    """The same words in random order; pivotal ones have `uncertain` nats more, each problem has a level of its own."""
    rng = random.Random(seed)
    made = []
    for problem in range(problems):
        level = rng.uniform(0.1, 0.6)
        for _ in range(group_size):
            chosen = rng.sample(WORDS * 3, k=3 * len(WORDS))
            pivotal = [word in ("because", "then", "however") for word in chosen]
            entropies = [abs(rng.gauss(level, 0.1)) + uncertain * flag for flag in pivotal]
            correct = rng.choice((0.0, 1.0, math.nan))
            made.append(words(" ".join(chosen), entropies, problem=f"p{problem}", correct=correct))
    return made

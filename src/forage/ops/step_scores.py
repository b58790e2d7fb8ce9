"""One number for a solution from the scores of its steps ("Let's Reinforce Step by Step", arXiv 2311.05821)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from forage.core.errors import ForageError

Aggregator = Literal["min", "last", "mean", "product", "max", "sum"]
AGGREGATORS: tuple[Aggregator, ...] = get_args(Aggregator)

_RULES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "last": lambda scores: scores[-1],
    "mean": lambda scores: math.fsum(scores) / len(scores),
    "product": math.prod,
    "max": max,
    "sum": math.fsum,
}


def aggregate(scores: Sequence[float], how: Aggregator) -> float:
    """The score of a solution whose steps score `scores`; 0 for a solution without any scored step.

    For scores in [0, 1]: product <= min <= mean <= max <= sum, and all agree on a single step. The sum grows with the
    number of steps, so as a reward it pays for padding. Raises ForageError for an unknown rule.
    """
    if how not in _RULES:
        raise ForageError(f"Step scores are aggregated by {', '.join(_RULES)}, not {how!r}.")
    return float(_RULES[how](scores)) if len(scores) else 0.0

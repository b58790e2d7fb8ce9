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
    """One number for a solution from the scores of its steps (arXiv 2311.05821).

        min, last, mean, product, max or sum of the scores

    For scores in [0, 1]: product <= min <= mean <= max <= sum, and all agree on a single step. The sum grows with the
    number of steps, so as a reward it pays for padding.

    Args:
        scores: the scores of the steps, in order.
        how: "min", "last", "mean", "product", "max" or "sum".

    Returns:
        A float; 0 for a solution without any scored step.

    Raises:
        ForageError: an unknown rule.

    Example:
        >>> [aggregate([0.5, 0.75], how) for how in ("min", "last", "mean", "product")]
        [0.5, 0.75, 0.625, 0.375]
    """
    if how not in _RULES:
        raise ForageError(f"Step scores are aggregated by {', '.join(_RULES)}, not {how!r}.")
    return float(_RULES[how](scores)) if len(scores) else 0.0


def potential_differences(scores: Sequence[float], start: float) -> list[float]:
    """Rewards of steps from a process model, which padding cannot raise (potential-based shaping, Ng et al. 1999).

        r_l = v_l - v_{l-1}, v_0 the score of the state before the first step

    They add up to v_L - v_0 however many steps there are.

    Args:
        scores: v_1 to v_L, the scores after each step.
        start: v_0.

    Returns:
        A list of L floats.

    Raises:
        Nothing: a NaN score makes the two rewards that it takes part in NaN.

    Example:
        >>> potential_differences([0.5, 0.25, 1.0], 0.5)
        [0.0, -0.25, 0.75]
    """
    return [now - then for now, then in zip(scores, [start, *scores], strict=False)]

"""Where a response is forked: at surprising tokens, or where uncertainty has risen."""

import math
from collections.abc import Sequence

from forage.core.errors import ForageError


def fork_chance(
    before: Sequence[float], after: Sequence[float], *, weight: float = 0.2, unit: float = 11.93, base: float = 0.5
) -> float:
    """How likely a response is forked, by what uncertainty has risen since it began (ARPO, arXiv 2507.19849).

        base + weight (sum of H over the tokens after - sum over the first tokens) / unit, held in [0, 1]

    The paper's H has the ten likeliest tokens only and its unit is ln V.

    Args:
        before: entropies of the first tokens of the response, in nats.
        after: entropies of as many tokens behind the place of the fork, or fewer where it ends.
        weight: of the rise; 0 is a coin.
        unit: nats that count as 1, above 0; 11.93 is the logarithm of a vocabulary of 151,936 tokens.
        base: the chance without a rise, in [0, 1].

    Returns:
        A float in [0, 1]; `base` where an entropy is not known (NaN).

    Raises:
        ForageError: an argument is out of its range.

    Example:
        >>> fork_chance([0.5, 0.5], [1.5, 1.5], weight=0.2, unit=2.0), fork_chance([3.0], [0.0], unit=0.5)
        (0.7, 0.0)
    """
    check_fork_settings(weight, unit, base)
    rise = (math.fsum(after) - math.fsum(before)) / unit
    return base if math.isnan(rise) else min(max(base + weight * rise, 0.0), 1.0)


def by_surprise(logprobs: Sequence[float]) -> list[int]:
    """The places of a response, the most surprising token first (TreeRL, arXiv 2506.11902).

        sorted by - ln pi(y_t), the earlier one first of equals

    Args:
        logprobs: ln pi of its tokens under the sampler; NaN, where that could not tell, counts as 0.

    Returns:
        All places, 0 ... n - 1.

    Raises:
        Nothing.

    Example:
        >>> by_surprise([-0.1, -2.0, -0.5, -2.0])
        [1, 3, 2, 0]
    """
    return sorted(range(len(logprobs)), key=lambda place: logprobs[place] if math.isfinite(logprobs[place]) else 0.0)


def check_fork_settings(weight: float, unit: float, base: float) -> None:
    """Raises ForageError unless the settings of `fork_chance` are in their ranges."""
    if not (math.isfinite(weight) and 0 < unit < math.inf and 0 <= base <= 1):
        raise ForageError(
            f"A chance to fork needs a finite weight, a unit above 0 and a base in 0 ... 1, not {weight}, {unit} and "
            f"{base}."
        )

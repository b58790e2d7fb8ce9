"""Where rollouts teach: what is kept of a pool of responses, and how a fixed number of them is divided over problems.

A problem's unknown chance of success p has a Beta(a, b) posterior: with the uniform prior, a = right + 1 and
b = wrong + 1.

Axes: B responses.
"""

import heapq
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def balanced_siblings(right: Tensor, group: Tensor, *, keep: int) -> Tensor:
    """Which responses of a pool are learned from: half right, half wrong (Reinforce-Ada, arXiv 2510.04996).

        the first keep/2 right ones and the first keep/2 wrong ones; where one side has fewer, more of the other

    Which of a side come first does not depend on what else they are, as long as the pool grew by verdicts alone. An odd
    number gives the right ones the extra place.

    Args:
        right: (B,) float, 1 right and 0 wrong; NaN was not judged, and is never kept.
        group: (B,) int64, equal numbers for one pool.
        keep: how many of each pool, 2 or more.

    Returns:
        (B,) bool; a pool with fewer judged responses is kept whole.

    Raises:
        ForageError: `keep` is below 2.
        ValueError: the shapes differ.

    Example:
        >>> right = torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
        >>> balanced_siblings(right, torch.zeros(7, dtype=torch.int64), keep=4)
        tensor([ True,  True, False,  True, False,  True, False])
    """
    check_keep(keep)
    require_shape(tuple(right.shape), group=group)
    kept = torch.zeros(len(right), dtype=torch.bool, device=right.device)
    for number in torch.unique(group):
        good, bad = ((group == number) & (right == side) for side in (1, 0))
        rows, others = good.nonzero()[:, 0], bad.nonzero()[:, 0]
        first = max((keep + 1) // 2, keep - len(others))
        kept[rows[:first]] = True
        kept[others[: keep - min(first, len(rows))]] = True
    return kept


def teaching_value(a: float, b: float, *, k: int) -> float:
    """How much pass@k of a problem would gain from a rise of its chance of success (after BBG, arXiv 2606.15455).

        E_Beta(a, b)[k (1 - p)^(k - 1)] = k prod_{j=0}^{k-2} (b + j) / (a + b + j)

    the mean slope of 1 - (1 - p)^k. With k = 1 it is 1 for every problem.

    Args:
        a: of the posterior, above 0; right responses + 1 under the uniform prior.
        b: of the posterior, above 0; wrong responses + 1.
        k: 1 or more.

    Returns:
        A float in (0, k].

    Raises:
        ForageError: an argument is out of its range.

    Example:
        >>> [round(teaching_value(m + 1, 8 - m + 1, k=16), 6) for m in (0, 1, 2)]  # m of 8 right
        [6.0, 2.086957, 0.664032]
    """
    _check_posterior(a, b)
    if k < 1:
        raise ForageError(f"pass@k needs a k of at least 1, not {k}.")
    return k * math.prod((b + j) / (a + b + j) for j in range(k - 1))


def division_chance(a: float, b: float, *, n: int) -> float:
    """The chance that n responses to a problem are neither all right nor all wrong (Beta-binomial; cf. 2606.15455).

        1 - E_Beta(a, b)[p^n] - E_Beta(a, b)[(1 - p)^n]

    A group that is not divided teaches nothing to a rule that compares siblings.

    Args:
        a: of the posterior, above 0.
        b: of the posterior, above 0.
        n: responses, 1 or more.

    Returns:
        A float in [0, 1).

    Raises:
        ForageError: an argument is out of its range.

    Example:
        >>> round(division_chance(1, 1, n=2), 6), division_chance(1, 1, n=1)
        (0.333333, 0.0)
    """
    _check_posterior(a, b)
    if n < 1:
        raise ForageError(f"A group has at least 1 response, not {n}.")
    return 1 - _power(a, b, n) - _power(b, a, n)


def rollout_budget(posteriors: Sequence[tuple[float, float]], *, total: int, low: int = 2, k: int = 1) -> list[int]:
    """Divides a fixed number of responses over problems so that they teach most (after BBG, arXiv 2606.15455).

        maximize sum_i teaching_value_i division_chance_i(n_i)   with sum_i n_i = total and n_i >= low

    Each chance is concave in n, so giving one response at a time where it adds most is the exact maximum.

    Args:
        posteriors: (a, b) of each problem's chance of success.
        total: responses in all.
        low: the least that a problem gets, 1 or more.
        k: see `teaching_value`; 1 counts divided groups.

    Returns:
        The number of responses to each problem; the first of equals comes first.

    Raises:
        ForageError: an argument is out of its range, or `total` is less than `low` for each.

    Example:
        >>> rollout_budget([(1, 1), (1, 30)], total=10), rollout_budget([(1, 1), (1, 30)], total=10, k=16)
        ([7, 3], [2, 8])
    """
    if low < 1 or total < low * len(posteriors):
        raise ForageError(f"{total} responses are too few for {len(posteriors)} problems with {low} or more each.")
    counts = [low] * len(posteriors)
    values = [teaching_value(a, b, k=k) for a, b in posteriors]

    def gain(place: int) -> float:
        a, b = posteriors[place]
        n = counts[place]
        return values[place] * (_power(a, b, n) * b / (a + b + n) + _power(b, a, n) * a / (a + b + n))

    waiting = [(-gain(place), place) for place in range(len(posteriors))]
    heapq.heapify(waiting)
    for _ in range(total - low * len(posteriors) if posteriors else 0):
        _, place = waiting[0]
        counts[place] += 1
        heapq.heapreplace(waiting, (-gain(place), place))
    return counts


def difficulty_bucket(tries: int | None, *, medium: int = 10, hard: int = 20) -> str:
    """How hard a problem is by the number of responses until the first right one (R1-Searcher, arXiv 2503.05592).

        easy: tries < medium      medium: medium <= tries <= hard      hard: tries > hard      unsolved: none was right

    Args:
        tries: the number of the first right response, from 1; None where none of those that were drawn was right.
        medium: the least tries of a problem that is not easy.
        hard: the most tries of a problem that is not hard, `medium` or more.

    Returns:
        "easy", "medium", "hard" or "unsolved".

    Raises:
        ForageError: an argument is out of its range.

    Example:
        >>> [difficulty_bucket(tries) for tries in (1, 9, 10, 20, 21, None)]
        ['easy', 'easy', 'medium', 'medium', 'hard', 'unsolved']
    """
    if not 1 <= medium <= hard or (tries is not None and tries < 1):
        raise ForageError(
            f"Tries count from 1, and problems are medium from 1 or more tries and hard beyond as many or more, not "
            f"{tries}, {medium} and {hard}."
        )
    if tries is None:
        return "unsolved"
    return "easy" if tries < medium else "medium" if tries <= hard else "hard"


def check_keep(keep: int) -> None:
    """Raises ForageError unless a pool can be kept balanced: `keep` of at least 2."""
    if keep < 2:
        raise ForageError(f"A balanced choice keeps at least 2 responses of a pool, not {keep}.")


def _power(a: float, b: float, n: int) -> float:
    """E_Beta(a, b)[p^n]."""
    return math.prod((a + j) / (a + b + j) for j in range(n))


def _check_posterior(a: float, b: float) -> None:
    if not (0 < a < math.inf and 0 < b < math.inf):
        raise ForageError(f"A Beta posterior has two numbers above 0, not {a} and {b}.")

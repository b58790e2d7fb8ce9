"""What choosing among n samples is worth, estimated from a pool of N: best-of-n by a score, and weighted votes.

Axes: N samples of one problem, K values of n, D draws.
"""

from collections.abc import Sequence

import numpy as np

from forage.core.errors import ForageError
from forage.ops.resampling import Floats

VOTES = 1024
"""Subsets drawn for a vote of 1 < n < N."""


def best_of_n(score: Floats, worth: Floats, ns: Sequence[int]) -> Floats:
    """The expected worth of the highest-scoring of n samples, for every n (exact form of pass@k, arXiv 2107.03374).

        sum_j C(N - 1 - j, n - 1) / C(N, n) worth_(j), j the rank by score from 0, best first

    The mean over all subsets of size n. Samples that tie share their worth, so the order of the pool does not matter.
    n = 1 is the mean worth.

    Args:
        score: (N,) float64, by which the choice is made.
        worth: (N,) float64, what a chosen sample is worth.
        ns: the values of n, each 1 to N.

    Returns:
        (K,) float64, unbiased, one for each n.

    Raises:
        ForageError: not 1 <= n <= N, or a score that is NaN.

    Example:
        >>> best_of_n(np.array([0.9, 0.5, 0.1]), np.array([1.0, 0.0, 0.0]), [1, 3])
        array([0.33333333, 1.        ])
    """
    score, worth = np.asarray(score, dtype=np.float64), np.asarray(worth, dtype=np.float64)
    _check(len(score), ns)
    if np.isnan(score).any():
        raise ForageError("Best-of-n needs a score for every sample; some are NaN.")
    values, place = np.unique(-score, return_inverse=True)
    shared = np.bincount(place, worth, len(values)) / np.bincount(place, minlength=len(values))
    ranked = np.sort(place)
    return np.array([_chances(len(score), n) @ shared[ranked] for n in ns])


def vote_of_n(answer: Sequence[int], weight: Floats, worth: Floats, ns: Sequence[int], *, seed: int) -> Floats:
    """How often the answer with the largest total weight among n samples is right (arXiv 2203.11171; 2311.05821).

        the winner of sum of weights by answer; ties share, an answer is worth the mean worth of its samples

    Exact for n = N, else the mean over 1,024 subsets: the first n of 1,024 orders of the pool, the same orders for
    every n and every weight. Where nobody votes the result is 0.

    Args:
        answer: (N,) whole numbers, equal for equal answers; -1 where a sample gives none, which does not vote.
        weight: (N,) float64, 0 or more; 1 for a majority vote.
        worth: (N,) float64.
        ns: the values of n, each 1 to N.
        seed: of the orders.

    Returns:
        (K,) float64, one for each n.

    Raises:
        ForageError: not 1 <= n <= N.

    Example:
        >>> vote_of_n([0, 0, 1], np.ones(3), np.array([1.0, 1.0, 0.0]), [3], seed=0)
        array([1.])
    """
    names = np.asarray(answer, dtype=np.int64)
    total = len(names)
    _check(total, ns)
    size = int(names.max(initial=-1)) + 1
    if size == 0:
        return np.zeros(len(ns))
    valid = names >= 0
    amount = np.bincount(names[valid], minlength=size)
    value = np.bincount(names[valid], np.asarray(worth)[valid], size) / np.maximum(amount, 1)
    force = np.where(valid, weight, 0.0)
    subsets = min(ns) < total
    orders = np.argsort(np.random.default_rng(seed).random((VOTES, total)), axis=1) if subsets else np.empty((0, total))

    def elected(drawn: np.ndarray) -> float:
        cells = np.where(valid, names, 0)[drawn] + size * np.arange(len(drawn))[:, None]
        votes = np.bincount(cells.ravel(), force[drawn].ravel(), len(drawn) * size).reshape(-1, size)
        most = votes.max(axis=1, keepdims=True)
        winners = np.isclose(votes, most, rtol=1e-12, atol=0) & (most > 0)
        return float(((winners * value).sum(axis=1) / np.maximum(winners.sum(axis=1), 1)).mean())

    return np.array([elected(orders[:, :n] if n < total else np.arange(total)[None]) for n in ns])


def _chances(total: int, n: int) -> Floats:
    """(N,) float64: the chance that the sample of each rank is the best of n."""
    rank = np.arange(total - 1)
    factors = np.maximum(total - rank - n, 0) / (total - 1 - rank)
    return n / total * np.concatenate([[1.0], np.cumprod(factors)])


def _check(total: int, ns: Sequence[int]) -> None:
    if not ns or min(ns) < 1 or max(ns) > total:
        raise ForageError(f"Choosing among n samples needs 1 <= n <= {total} (the pool), not {list(ns)}.")

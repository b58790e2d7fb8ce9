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
    """The expected worth of the highest-scoring of n samples, for every n: (K,) float64, unbiased.

    score and worth (N,) float64. The mean over all subsets of size n, exactly: the sample of rank j (from 0, best
    first) is the best of C(N-1-j, n-1) of the C(N, n) subsets. Samples that tie share their worth, which is the mean
    over the orders that an exchangeable pool might have come in, so the result does not depend on the order. n = 1 is
    the mean worth, and a score that equals the worth makes it non-decreasing in n. Raises ForageError unless
    1 <= n <= N and every score is a number.
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
    """How often the answer with the largest total weight among n samples is right, for every n: (K,) float64.

    answer (N,) whole numbers, -1 where a sample gives none (it does not vote); weight (N,) 0 or more, 1 for a majority
    vote; worth (N,). An answer is worth the mean worth of its samples; answers that tie share; where nobody votes the
    result is 0. Exact for n = N; else the mean over 1,024 subsets drawn with `seed`: the first n of 1,024 orders of the
    pool, the same orders for every n and every weight. Raises ForageError unless 1 <= n <= N.
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
    some = min(ns) < total
    orders = np.argsort(np.random.default_rng(seed).random((VOTES, total)), axis=1) if some else np.empty((0, total))

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

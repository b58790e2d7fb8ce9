"""How many ways of being right a policy has: estimates from the counts of right samples by mode.

A mode is the identity of a right answer, or of the way to it. Axes: M modes.
"""

from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forage.core.errors import ForageError
from forage.ops.passk import pass_at_k


@overload
def distinct_at_k(n: int, counts: list[int] | tuple[int, ...], k: int) -> float: ...
@overload
def distinct_at_k(n: ArrayLike, counts: ArrayLike, k: ArrayLike) -> NDArray[np.float64] | float: ...
def distinct_at_k(n: ArrayLike, counts: ArrayLike, k: ArrayLike) -> NDArray[np.float64] | float:
    """The expected number of different right modes among k samples.

        distinct@k = sum_m [1 - C(n - n_m, k) / C(n, k)]

    Unbiased, as pass@k is of each mode alone (Chen et al. 2021, arXiv 2107.03374, equation 1). It is never below
    pass@k, and equals it where there is one mode or k = 1. With the number of right samples as n it is the number of
    modes among k right answers.

    Args:
        n: the number of samples.
        counts: (..., M), how many of them were right in each mode; 0 where a problem has fewer modes.
        k: how many samples may be drawn, 1 to n. n, k and the leading axes of `counts` broadcast.

    Returns:
        float64 in [0, k] of the common shape, a float where that is ().

    Raises:
        ForageError: negative or broken counts, a sum above n, or not 1 <= k <= n.

    Example:
        >>> distinct_at_k(4, [2, 1], 1)
        0.75
        >>> distinct_at_k(4, [2, 1], 4)
        2.0
    """
    modes = _counts(counts)
    samples, tries = np.asarray(n), np.asarray(k)
    if np.any(modes.sum(-1) > samples):
        raise ForageError("distinct@k: more samples were right than there are samples.")
    result = np.asarray(pass_at_k(samples[..., None], modes, tries[..., None])).sum(-1)
    return result if result.ndim else float(result)


@overload
def pcmd(counts: list[int] | tuple[int, ...]) -> float: ...
@overload
def pcmd(counts: ArrayLike) -> NDArray[np.float64] | float: ...
def pcmd(counts: ArrayLike) -> NDArray[np.float64] | float:
    """The chance that two right answers differ in mode (pairwise; Simpson 1949 of the modes).

        pcmd = 1 - sum_m n_m (n_m - 1) / (K (K - 1)),  K = sum_m n_m

    Unbiased given K >= 2, unlike 1 - sum_m (n_m / K)^2, which is too low.

    Args:
        counts: (..., M), right samples by mode; 0 where a problem has fewer modes.

    Returns:
        float64 in [0, 1] of shape (...), a float where that is (); NaN where fewer than two samples were right.

    Raises:
        ForageError: a count is negative or no whole number.

    Example:
        >>> pcmd([2, 2])
        0.6666666666666667
        >>> pcmd([4, 0])
        0.0
    """
    modes = _counts(counts).astype(np.float64)
    right = modes.sum(-1)
    pairs = right * (right - 1)
    same = (modes * (modes - 1)).sum(-1)
    result = np.where(pairs > 0, 1 - same / np.where(pairs > 0, pairs, 1), np.nan)
    return result if result.ndim else float(result)


def distinct_at_k_of_chances(chances: ArrayLike, k: int) -> float:
    """The number of different right modes among k samples, on average, of known chances.

        sum_m [1 - (1 - p_m)^k]

    What `distinct_at_k` estimates from counts (pass@k of each mode alone: Chen et al. 2021, arXiv 2107.03374).

    Args:
        chances: (M,), how likely one sample is right in mode m.
        k: how many samples are drawn, 1 or more.

    Returns:
        A float in [0, k].

    Raises:
        ForageError: chances outside [0, 1], a sum above 1, or k < 1.

    Example:
        >>> distinct_at_k_of_chances([0.5, 0.25], 2)  # (1 - 1/4) + (1 - 9/16)
        1.1875
    """
    if k < 1:
        raise ForageError(f"distinct@k needs at least one sample, not k = {k}.")
    return float((1 - (1 - _chances(chances)) ** k).sum())


def pcmd_of_chances(chances: ArrayLike) -> float:
    """The chance that two right answers differ in mode, of known chances (Simpson 1949 of the modes).

        1 - sum_m (p_m / sum p)^2

    What `pcmd` estimates from counts.

    Args:
        chances: (M,), how likely one sample is right in mode m.

    Returns:
        A float in [0, 1]; NaN where no answer is right.

    Raises:
        ForageError: chances outside [0, 1], or a sum above 1.

    Example:
        >>> pcmd_of_chances([0.25, 0.125, 0.125])  # 1 - (1/4 + 1/16 + 1/16)
        0.625
    """
    modes = _chances(chances)
    right = modes.sum()
    return float(1 - ((modes / right) ** 2).sum()) if right > 0 else float("nan")


def _chances(chances: ArrayLike) -> NDArray[np.float64]:
    """(M,) float64."""
    modes = np.asarray(chances, dtype=np.float64)
    if modes.ndim != 1 or np.any(modes < 0) or modes.sum() > 1 + 1e-6:
        raise ForageError("The chances of modes are a list of numbers of 0 or more with a sum of at most 1.")
    return modes


def _counts(counts: ArrayLike) -> NDArray[np.int64]:
    """(..., M) int64. An empty list is a problem without any right sample."""
    given = np.asarray(counts)
    if given.ndim == 0:
        raise ForageError("The counts of modes are a list with one number for each mode.")
    whole = given.astype(np.int64)
    if np.any(whole != given) or np.any(whole < 0):
        raise ForageError("The counts of modes are whole numbers, 0 or more.")
    return whole

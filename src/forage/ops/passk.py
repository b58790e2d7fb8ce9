"""pass@k: its unbiased estimate, and the advantage of training for it."""

import math
from functools import lru_cache
from typing import overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.segments import segments


@overload
def pass_at_k(n: int, c: int, k: int) -> float: ...  # pyright: ignore[reportOverlappingOverload]
@overload
def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> NDArray[np.float64]: ...
def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> NDArray[np.float64] | float:
    """The chance that at least one of k samples is right, from n samples of which c are.

        pass@k = 1 - C(n - c, k) / C(n, k)

    The unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, equation 1), as a product that cannot overflow.

    Args:
        n: the number of samples; whole numbers that broadcast with the others, as are all three.
        c: how many of them are right, 0 to n.
        k: how many samples may be drawn, 1 to n.

    Returns:
        float64 in [0, 1] of the common shape, a float where all three are numbers.

    Raises:
        ForageError: not 0 <= c <= n, or not 1 <= k <= n.

    Example:
        >>> pass_at_k(4, 1, 2)
        0.5
        >>> pass_at_k(8, [0, 4, 8], 1)
        array([0. , 0.5, 1. ])
    """
    samples, right, tries = np.broadcast_arrays(np.asarray(n), np.asarray(c), np.asarray(k))
    if samples.size and (np.any(right < 0) or np.any(right > samples)):
        raise ForageError("pass@k: the number of right samples must lie between 0 and the number of samples.")
    if samples.size and (np.any(tries < 1) or np.any(tries > samples)):
        raise ForageError("pass@k needs 1 <= k <= n: it cannot be estimated from fewer than k samples.")
    # C(n-c, k) / C(n, k) is the product of 1 - k / (n - i) over i < c. Where n - c < k one factor is exactly 0.
    # Few n and k differ, so the products of each such pair are made once, for every c.
    pairs, place = np.unique(np.stack([samples.ravel(), tries.ravel()]), axis=1, return_inverse=True)
    left = pairs[0][:, None] - np.arange(int(right.max(initial=0)))
    factors = np.concatenate([np.ones((len(left), 1)), 1 - pairs[1][:, None] / np.maximum(left, 1)], axis=1)
    missed = np.multiply.accumulate(factors, axis=1)[place.ravel(), right.ravel().astype(np.int64)]
    result = 1 - missed.reshape(samples.shape)
    return result if result.ndim else float(result)


def pass_at_k_advantage(reward: Tensor, group: Tensor, *, k: int) -> Tensor:
    """What a response adds to the best of k of its siblings, exactly (arXiv 2508.10751; 2505.15201).

        A_i = E[max of k siblings | i is among them] - E[max of k siblings]

    The subsets are drawn uniformly from the judged siblings. For 0/1 rewards this is the analytic pass@k advantage of
    arXiv 2508.10751 before its division by a standard deviation; it holds for any real rewards. k = 1 is centering.
    Over independent siblings its policy gradient is that of pass@k times (1 - k/n) / k for groups of n: the subsets of
    the baseline contain the response with chance k/n. Where every subset holds one of the best (or is the group itself)
    all advantages are exactly 0. Computed in float64 in O(n log n) for a group of n.

    Args:
        reward: (B,) float, NaN where not judged.
        group: (B,) int64, equal numbers for siblings.
        k: the number of tries to train for, 1 or more.

    Returns:
        (B,) of the dtype of `reward`, with sum 0 over a group; NaN stays NaN.

    Raises:
        ForageError: k is below 1.
        ValueError: the shapes differ.

    Example:
        >>> pass_at_k_advantage(torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.zeros(4, dtype=torch.int64), k=2)
        tensor([ 0.5000, -0.1667, -0.1667, -0.1667])
    """
    if k < 1:
        raise ForageError(f"k counts siblings, so it must be at least 1, not {k}.")
    groups = segments(reward, group)
    result = torch.zeros(reward.shape, dtype=torch.float64, device=reward.device)
    result[~groups.judged] = torch.nan
    for number in (~groups.constant & (groups.count > k)).nonzero().flatten():
        members = ((groups.index == number) & groups.judged).nonzero().flatten()
        result[members] = _best_of_k(reward[members].double(), k)
    return result.to(reward.dtype)


def _best_of_k(value: Tensor, k: int) -> Tensor:
    """(n,) float64 advantages of the siblings of one group, n > k."""
    ordered, order = value.sort(stable=True)
    # The best of k is never below the k-th lowest. Distances to it cancel exactly where every subset holds a best one,
    # and an offset costs no precision.
    above = (ordered - ordered[k - 1]).clamp_min(0)
    is_best, is_best_with, other_is_best = (row.to(value.device) for row in _subset_shares(len(value), k))
    beaten = (above * other_is_best).flip(0).cumsum(0).flip(0)
    beaten_later = torch.cat([beaten[1:], beaten.new_zeros(1)])
    advantage = above * is_best_with + beaten_later - (above * is_best).sum()
    # Siblings of equal reward have equal advantages; rounding must not tell them apart.
    _, tie, size = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
    shared = torch.zeros(len(size), dtype=value.dtype, device=value.device).index_add(0, tie, advantage) / size
    return torch.empty_like(value).index_copy(0, order, shared[tie])


@lru_cache(maxsize=256)
def _subset_shares(n: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of the sibling of rank j = 1..n: shares of k-subsets, each (n,) float64, exact but for one rounding.

    In which it is the best, of all; in which it is the best, of those that contain it; and in which it is the best, of
    those that contain a given sibling of lower rank.
    """
    everything, containing = math.comb(n, k), math.comb(n - 1, k - 1)
    below = [math.comb(j - 1, k - 1) for j in range(1, n + 1)]
    below_with = [math.comb(j - 2, k - 2) if k > 1 and j > 1 else 0 for j in range(1, n + 1)]
    rows = (
        [count / everything for count in below],
        [count / containing for count in below],
        [count / containing for count in below_with],
    )
    first, second, third = (torch.tensor(row, dtype=torch.float64) for row in rows)
    return first, second, third

"""A class of tokens or sentences against all others, with intervals that know about problems.

Responses to one problem resemble each other, so the unit that is resampled is the problem with everything in it
(cluster bootstrap): N tokens from P problems are worth P draws, not N. Axes: N units, P problems, D draws.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forage.analysis.measures.responses import Bools, Floats, Ints
from forage.core.seeds import derive_seed
from forage.ops.resampling import Interval, percentile_interval, resampling_weights

DRAWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """`n` units of a class and `n_rest` others, their mean values, and the difference class - rest.

    A mean of nothing, and a difference from or to nothing, is None. With a single problem there is nothing to
    resample: the ends of the intervals are NaN.
    """

    n: int
    n_rest: int
    mean: Interval | None
    rest: Interval | None
    difference: Interval | None

    @property
    def share(self) -> float:
        """Of all units; 0 where there are none."""
        return self.n / (self.n + self.n_rest) if self.n + self.n_rest else 0.0


def contrast(values: Floats, member: Bools, problem: Ints, *, draws: int = DRAWS, seed: int = 0) -> Contrast:
    """Mean of (N,) `values` where `member` (N,) bool is True against where it is False; 95% percentile intervals.

    NaN values are excluded and not counted. `problem` (N,) int64 names the cluster of each unit.
    """
    known = np.isfinite(values)
    values, member, problem = values[known], member[known], problem[known]
    clusters, cluster = np.unique(problem, return_inverse=True)
    sums, counts = _per_cluster(values, member, cluster, len(clusters))
    weights = problem_weights(len(clusters), draws=draws, seed=seed)
    resampled = _ratio(weights @ sums, weights @ counts)
    estimates = _ratio(sums.sum(0, keepdims=True), counts.sum(0, keepdims=True))[0]
    n, n_rest = int(member.sum()), int((~member).sum())
    several = len(clusters) > 1
    return Contrast(
        n=n,
        n_rest=n_rest,
        mean=_interval(estimates[0], resampled[:, 0], several) if n else None,
        rest=_interval(estimates[1], resampled[:, 1], several) if n_rest else None,
        difference=_interval(estimates[0] - estimates[1], resampled[:, 0] - resampled[:, 1], several)
        if n and n_rest
        else None,
    )


def problem_weights(problems: int, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """(D, P) float64: how much each problem counts in each draw. The same for every analysis of the same problems."""
    rng = np.random.default_rng(derive_seed(seed, "problems"))
    return resampling_weights(problems, draws, rng) if problems else np.zeros((draws, 0))


def mean_draws(values: Floats, problem: Ints, *, draws: int = DRAWS, seed: int = 0) -> tuple[float, Floats]:
    """The mean of (N,) values and its (D,) bootstrap draws; NaN values are excluded, and NaN where none is left."""
    known = np.isfinite(values)
    if not known.any():
        return math.nan, np.full(draws, np.nan)
    clusters, cluster = np.unique(problem[known], return_inverse=True)
    sums, counts = _per_cluster(values[known], np.ones(int(known.sum()), np.bool_), cluster, len(clusters))
    weights = problem_weights(len(clusters), draws=draws, seed=seed)
    return float(values[known].mean()), _ratio(weights @ sums, weights @ counts)[:, 0]


def mean_interval(values: Floats, problem: Ints, *, draws: int = DRAWS, seed: int = 0) -> Interval | None:
    """The mean of (N,) values with its interval; None where nothing is known."""
    everything = np.ones(len(values), dtype=np.bool_)
    return contrast(values, everything, problem, draws=draws, seed=seed).mean


def shuffled_within(values: Floats, response: Ints, *, seed: int = 0) -> Floats:
    """(N,) values, shuffled within each response: the placebo that keeps everything but the places of the tokens."""
    order = np.lexsort((np.random.default_rng(derive_seed(seed, "shuffle")).random(len(values)), response))
    shuffled = np.empty_like(values)
    shuffled[np.argsort(response, kind="stable")] = values[order]
    return shuffled


def _per_cluster(values: Floats, member: Bools, cluster: NDArray[np.intp], size: int) -> tuple[Floats, Floats]:
    """(P, 2) sums and counts: of the members, and of the others."""
    sides = (member, ~member)
    sums = [np.bincount(cluster[side], weights=values[side], minlength=size) for side in sides]
    counts = [np.bincount(cluster[side], minlength=size) for side in sides]
    return np.stack(sums, axis=1).astype(np.float64), np.stack(counts, axis=1).astype(np.float64)


def _ratio(total: Floats, count: Floats) -> Floats:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _interval(estimate: float, draws: Floats, several: bool) -> Interval:
    return percentile_interval(estimate, draws) if several else Interval(float(estimate), math.nan, math.nan)

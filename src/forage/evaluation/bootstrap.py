"""Intervals by resampling: over problems, and over training runs where there are several.

Axes: R runs (training seeds), P problems, K columns (a metric each, such as pass@k for several k), D draws.

Runs of one method meet the same problems, so runs and problems are crossed, not nested: a draw resamples the runs and,
independently, the problems (the pigeonhole bootstrap, Owen 2007, which errs on the wide side). Of m units a draw takes
m - 1, which makes the variance of a resampled mean unbiased (Rao and Wu 1988); with three seeds instead of infinitely
many this is not a detail: taking m would understate the variance between seeds by a third. One run is kept as it is,
and its interval then covers the problems only. Resampling knows nothing beyond the sample: where every problem gives
the same value (all 0, say) the interval has no width.
"""

from functools import lru_cache

import numpy as np

from forage.core.seeds import derive_seed
from forage.ops.resampling import LEVEL, Floats, Interval, percentile_interval, resampling_weights

DRAWS = 2000


def mean_over_runs_and_problems(values: Floats) -> Floats:
    """(R, P, K) -> (K,): the mean over problems, averaged over runs; NaN entries (nothing judged) are excluded."""
    ones_runs, ones_problems = np.full((1, values.shape[0]), 1.0), np.full((1, values.shape[1]), 1.0)
    return _weighted(values, ones_runs, ones_problems)[0]


def bootstrap_means(values: Floats, *, draws: int = DRAWS, seed: int = 0, side: str = "") -> Floats:
    """(R, P, K) -> (D, K): the mean of each column in each draw.

    The problems of draw d depend on `seed` and P alone, so two calls with the same problems resample them together:
    subtracting their results gives paired differences. `side` names whose runs are resampled.
    """
    runs, problems, _ = values.shape
    run_weights = resampling_weights(runs, draws, np.random.default_rng(derive_seed(seed, "runs", side)))
    return _weighted(values, run_weights, _problem_weights(problems, draws, seed))


@lru_cache(maxsize=1)  # one comparison asks for the same problems many times, and drawing them is most of its time
def _problem_weights(problems: int, draws: int, seed: int) -> Floats:
    weights = resampling_weights(problems, draws, np.random.default_rng(derive_seed(seed, "problems")))
    weights.flags.writeable = False
    return weights


def bootstrap_differences(base: Floats, other: Floats, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """(R, P, K) and (R', P, K) on the same problems in the same order -> (D, K): other - base, paired by problem."""
    if base.shape[1:] != other.shape[1:]:
        raise ValueError(f"paired differences need the same problems and columns, not {base.shape} and {other.shape}")
    first = bootstrap_means(base, draws=draws, seed=seed, side="base")
    return bootstrap_means(other, draws=draws, seed=seed, side="other") - first


def intervals(values: Floats, *, draws: int = DRAWS, seed: int = 0, level: float = LEVEL) -> tuple[Interval, ...]:
    """(R, P, K) -> K intervals of the mean."""
    resampled = bootstrap_means(values, draws=draws, seed=seed)
    means = mean_over_runs_and_problems(values)
    return tuple(percentile_interval(means[k], resampled[:, k], level=level) for k in range(values.shape[2]))


def _weighted(values: Floats, run_weights: Floats, problem_weights: Floats) -> Floats:
    """(R, P, K), (D, R), (D, P) -> (D, K): weighted means over the entries that are not NaN."""
    known = ~np.isnan(values)
    total = np.zeros((len(run_weights), values.shape[2]))
    weight = np.zeros_like(total)
    for run, (row, mask) in enumerate(zip(np.where(known, values, 0.0), known.astype(np.float64), strict=True)):
        total += run_weights[:, run, None] * (problem_weights @ row)
        weight += run_weights[:, run, None] * (problem_weights @ mask)
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)

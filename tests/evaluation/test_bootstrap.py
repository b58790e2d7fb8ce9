"""Do the intervals cover? Known worlds, exact variances, and what several seeds add."""

import math

import numpy as np
import pytest

from forage.evaluation.bootstrap import (
    Interval,
    bootstrap_differences,
    bootstrap_means,
    intervals,
    mean_over_runs_and_problems,
    percentile_interval,
    resampling_weights,
)
from forage.ops.passk import pass_at_k


def test_weights_are_means_and_their_variance_is_unbiased() -> None:
    # For values x of m units the variance of the mean is s^2 / m with the (m - 1) denominator, here 10 / 3 / 4.
    values = np.array([1.0, 2.0, 3.0, 4.0]) * math.sqrt(2)
    weights = resampling_weights(4, 20_000, np.random.default_rng(0))
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights @ values).var() == pytest.approx(10 / 3 / 4, rel=0.03)
    assert resampling_weights(1, 3, np.random.default_rng(0)).tolist() == [[1.0], [1.0], [1.0]]


def test_intervals_cover_the_truth_in_a_beta_binomial_world() -> None:
    # Success rates Beta(1, 3), 16 samples of 60 problems: E pass@1 = 1/4, E pass@4 = 1 - E(1-p)^4 = 1 - 3/7.
    rng = np.random.default_rng(7)
    truth = np.array([1 / 4, 1 - 3 / 7])
    hits, worlds = np.zeros(2), 300
    for _ in range(worlds):
        correct = rng.binomial(16, rng.beta(1, 3, size=60))
        n = np.full(60, 16)
        values = np.stack([pass_at_k(n, correct, np.full(60, k)) for k in (1, 4)], axis=1)[None]
        for column, interval in enumerate(intervals(values, draws=400)):
            hits[column] += interval.low <= truth[column] <= interval.high
    assert (hits / worlds > 0.91).all(), hits / worlds
    assert (hits / worlds < 0.98).all(), hits / worlds


def test_seed_variance_widens_the_interval() -> None:
    rng = np.random.default_rng(0)
    problems = rng.beta(1, 3, size=(1, 80, 1))
    quiet = np.repeat(problems, 5, axis=0)
    noisy = quiet + np.array([-0.1, -0.05, 0, 0.05, 0.1])[:, None, None]
    (calm,), (wide,) = intervals(quiet), intervals(noisy)
    assert wide.estimate == pytest.approx(calm.estimate)
    assert wide.high - wide.low > 1.3 * (calm.high - calm.low)
    # Five seeds with standard deviation .079 alone have a standard error of .035; the draws add both sources.
    spread = bootstrap_means(noisy).std() ** 2 - bootstrap_means(quiet).std() ** 2
    assert math.sqrt(spread) == pytest.approx(np.std([-0.1, -0.05, 0, 0.05, 0.1], ddof=1) / math.sqrt(5), rel=0.1)


def test_pairing_removes_what_the_problems_share() -> None:
    rng = np.random.default_rng(1)
    base = rng.beta(1, 1, size=(1, 60, 1))
    difference = bootstrap_differences(base, base + 0.1)
    assert difference.std() < 1e-12
    assert difference.mean() == pytest.approx(0.1)
    with pytest.raises(ValueError, match="same problems"):
        bootstrap_differences(base, base[:, :50])


def test_runs_of_both_sides_are_resampled_apart() -> None:
    # Equal runs on either side are still different seeds: the difference has twice the variance of one side.
    values = np.array([0.1, 0.2, 0.4, 0.7])[:, None, None] * np.ones((1, 10, 1))
    one_side = bootstrap_means(values).var()
    assert bootstrap_differences(values, values).var() == pytest.approx(2 * one_side, rel=0.1)


def test_nan_stands_aside() -> None:
    values = np.array([[[0.0, np.nan], [1.0, np.nan], [np.nan, np.nan]]])
    assert mean_over_runs_and_problems(values)[0] == 0.5
    known, unknown = intervals(values, draws=200)
    assert 0 <= known.low <= known.estimate <= known.high <= 1
    assert math.isnan(unknown.estimate)
    assert not unknown.excludes_zero


def test_same_seed_same_bits_and_other_seed_others() -> None:
    values = np.random.default_rng(2).random((3, 20, 2))
    assert np.array_equal(bootstrap_means(values, seed=5), bootstrap_means(values, seed=5))
    assert not np.array_equal(bootstrap_means(values, seed=5), bootstrap_means(values, seed=6))


def test_percentiles_by_hand() -> None:
    interval = percentile_interval(50.0, np.arange(101.0), level=0.9)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((50, 5, 95))
    assert interval.excludes_zero
    assert not Interval(0.1, -0.1, 0.3).excludes_zero
    assert Interval(-0.2, -0.3, -0.1).excludes_zero
    assert Interval(-0.2, -0.3, -0.1).distinguishable
    assert Interval(2e-8, 1e-8, 3e-8).excludes_zero  # without noise
    assert not Interval(2e-8, 1e-8, 3e-8).distinguishable

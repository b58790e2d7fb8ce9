"""Paired comparisons: planted differences are found, absent ones are not, and crossings fall where they must."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from forage.core.errors import ForageError
from forage.evaluation.compare import compare, crossing, match_pass_at_1, pool_runs
from forage.evaluation.evaluation import Evaluation

Make = Callable[..., Evaluation]


def sampled(evaluation: Make, rates: np.ndarray, rng: np.random.Generator, **changes: object) -> Evaluation:
    return evaluation(rng.binomial(64, rates), 64, **changes)


def test_a_planted_difference_is_found(evaluation: Make) -> None:
    rng = np.random.default_rng(0)
    rates = rng.beta(1, 3, size=80)
    base = sampled(evaluation, rates, rng, label="base")
    better = sampled(evaluation, np.minimum(rates + 0.1, 1), rng, label="better")
    result = compare([base], [better], ks=[1, 4])
    assert result.base_label == "base"
    assert result.other_label == "better"
    assert result.difference[0].low > 0.05
    assert result.difference[0].high < 0.15
    assert result.difference[0].estimate == pytest.approx(result.other[0].estimate - result.base[0].estimate)
    assert compare([better], [base], ks=[1, 4]).difference[0].high < 0


def test_no_difference_is_not_invented(evaluation: Make) -> None:
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(100):
        rates = rng.beta(1, 3, size=50)
        first, second = sampled(evaluation, rates, rng), sampled(evaluation, rates, rng)
        found += compare([first], [second], ks=[1], draws=400).difference[0].excludes_zero
    assert found <= 12  # 5 expected; P(more than 12) < 0.002


def test_seeds_that_disagree_are_no_difference(evaluation: Make) -> None:
    # Two of three seeds gain on every problem, one loses as much: problems alone would call the mean a difference.
    base = [evaluation([20] * 40, 64, run_seed=0)]
    others = [evaluation([count] * 40, 64, run_seed=seed) for seed, count in enumerate((26, 26, 10))]
    assert not compare(base, others, ks=[1]).difference[0].excludes_zero
    assert compare(base, others[:2], ks=[1]).difference[0].excludes_zero


def test_problems_may_come_in_any_order_but_must_be_the_same(evaluation: Make) -> None:
    base, other = evaluation([1, 2, 3], 8), evaluation([3, 2, 1], 8)
    turned = dataclasses.replace(other, problems=other.problems[::-1])
    assert compare([base], [turned], ks=[1, 2]).difference == compare([base], [other], ks=[1, 2]).difference
    with pytest.raises(ForageError, match=r"cannot be paired by problem: 1 problems only in the other \(such as p2\)"):
        compare([base], [evaluation([1, 2], 8)], ks=[1])
    with pytest.raises(ForageError, match="pass@16 cannot be estimated from 8"):
        compare([base], [other], ks=[16])
    with pytest.raises(ForageError, match="at least one evaluation on either side"):
        compare([base], [], ks=[1])


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ([0.2, 0.1, -0.1, -0.2], 8.0),  # half way from 4 to 16 in log k
        ([0.3, -0.1, -0.2, -0.3], 4**0.75),  # three quarters of the way from 1 to 4
        ([0.1, 0.0, -0.1, -0.2], 4.0),  # exactly on a k
        ([0.1, -0.1, 0.1, -0.1], 32.0),  # the last of two crossings
        ([-0.1, -0.2, -0.3, -0.4], math.nan),  # behind everywhere
        ([0.1, 0.2, 0.3, 0.4], math.nan),  # ahead everywhere
        ([0.1, -0.1, -0.1, 0.0], math.nan),  # both solve everything in the end
        ([-0.1, -0.1, 0.1, 0.1], math.nan),  # the policy overtakes: no crossing of this kind
    ],
)
def test_crossings_by_hand(difference: list[float], expected: float) -> None:
    ks = [1, 4, 16, 64]
    assert crossing(ks, np.array(difference)) == pytest.approx(expected, nan_ok=True)
    both = crossing(ks, np.array([difference, [0.2, 0.1, -0.1, -0.2]]))
    assert both == pytest.approx([expected, 8.0], nan_ok=True)


def test_one_k_never_crosses() -> None:
    assert math.isnan(crossing([1], np.array([-0.1])))


def test_a_narrowed_policy_crosses_its_base(evaluation: Make) -> None:
    # The base solves everything sometimes; the policy solves half of it almost always and the rest never.
    rng = np.random.default_rng(3)
    base = evaluation(rng.integers(8, 16, size=60), 64)
    policy = evaluation(np.where(np.arange(60) < 30, 60, 0), 64)
    result = compare([base], [policy], ks=[1, 2, 4, 8, 16, 32])
    assert result.difference[0].low > 0
    assert result.difference[-1].high < 0
    assert 2 < result.crossover.low <= result.crossover.k <= result.crossover.high < 16
    assert result.crossover.share > 0.99
    none = compare([base], [base], ks=[1, 4, 16]).crossover
    assert math.isnan(none.k)
    assert none.share == 0


def test_lost_and_gained_by_hand(evaluation: Make) -> None:
    base = [evaluation([1, 0, 2, 0], 4)]
    others = [evaluation([0, 0, 1, 3], 4), evaluation([0, 1, 0, 0], 4)]
    result = compare(base, others, ks=[1])
    assert result.lost == {"p0": 1.0, "p2": 0.5}
    assert result.gained == {"p1": 0.5, "p3": 0.5}
    # A run without a verdict on p0 says nothing about it.
    silent = evaluation([0, 0, 1, 0], 4, unjudged=[4, 0, 0, 0])
    assert compare(base, [silent], ks=[1]).lost == {}


def test_notes_say_what_the_numbers_hide(evaluation: Make) -> None:
    base = evaluation([1, 2], 8)
    quiet = compare([base], [evaluation([1, 2], 8), evaluation([2, 2], 8)], ks=[1, 4])
    assert quiet.notes == ()
    other = evaluation([1, 2], 4, temperature=0.4, unjudged=[1, 0], task={"part": "other"})
    text = " ".join(compare([base], [other], ks=[1, 4]).notes)
    for piece in (
        "One training run on either side",
        "pass@4 will be noisy",
        "4 to 8 samples",
        "sampled with different settings: temperature 1.0 / 0.4",
        "differently configured tasks: part toy / other",
        "1 samples could not be judged",
    ):
        assert piece in text


def test_matching_by_pass_at_1(evaluation: Make) -> None:
    target = evaluation([2, 2], 8)
    steps = [evaluation([count, 2], 8, step=step) for step, count in ((10, 0), (20, 3), (30, 1))]
    assert match_pass_at_1(target, steps).step == 20
    with pytest.raises(ForageError, match="no evaluation to match with policy"):
        match_pass_at_1(target, [])


def test_seeds_are_pooled_and_temperatures_are_not(evaluation: Make) -> None:
    runs = [evaluation([1], 4, step=9, run_seed=seed) for seed in (0, 1)]
    cold = evaluation([1], 4, step=9, temperature=0.4)
    pooled = pool_runs([runs[0], cold, runs[1]])
    assert pooled == {("policy", 1.0, 9): tuple(runs), ("policy", 0.4, 9): (cold,)}

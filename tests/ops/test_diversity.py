import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.ops.diversity import distinct_at_k, distinct_at_k_of_chances, pcmd, pcmd_of_chances
from forage.ops.passk import pass_at_k


def test_golden_values_of_sixteen_samples() -> None:
    # Modes 5, 2, 1 of K = 8 right: pairs of one mode 5*4 + 2*1 + 0 = 22 of 8*7 = 56, so PCMD = 34/56 = 17/28.
    assert pcmd((5, 2, 1)) == pytest.approx(17 / 28, abs=1e-15)
    assert pass_at_k(16, 8, 4) == pytest.approx(0.961538, abs=5e-7)
    assert distinct_at_k(16, (5, 2, 1), 4) == pytest.approx(1.518681, abs=5e-7)
    assert pass_at_k(16, 8, 8) == pytest.approx(0.999922, abs=5e-7)
    assert distinct_at_k(16, (5, 2, 1), 8) == pytest.approx(2.253846, abs=5e-7)
    assert distinct_at_k(8, (5, 2, 1), 4) == pytest.approx(2.285714, abs=5e-7)  # in 4 right answers
    assert distinct_at_k(8, (5, 2, 1), 2) == pytest.approx(1 + pcmd((5, 2, 1)), abs=1e-15)


def test_one_mode_two_modes_one_sample_none() -> None:
    assert pcmd((8,)) == 0
    assert distinct_at_k(16, (8,), 5) == pytest.approx(pass_at_k(16, 8, 5), abs=1e-15)
    assert pcmd((1, 1)) == 1
    assert pass_at_k(16, 2, 8) == pytest.approx(0.766667, abs=5e-7)
    assert distinct_at_k(16, (1, 1), 8) == pytest.approx(1.0, abs=1e-15)
    assert math.isnan(pcmd((1,)))
    assert math.isnan(pcmd(()))
    assert distinct_at_k(16, (), 8) == 0


def test_unbiased_by_enumeration() -> None:
    """Five draws from (.3, .2 | .5): the exact mean of the estimates is the truth, that of the plug-in is not."""
    chances, draws = (0.3, 0.2, 0.5), 5
    difference, plug_in, weight, distinct = 0.0, 0.0, 0.0, 0.0
    for outcome in itertools.product(range(3), repeat=draws):
        chance = math.prod(chances[mode] for mode in outcome)
        counts = [outcome.count(0), outcome.count(1)]
        distinct += chance * distinct_at_k(draws, counts, 2)
        if sum(counts) >= 2:
            difference += chance * pcmd(counts)
            plug_in += chance * (1 - sum((count / sum(counts)) ** 2 for count in counts))
            weight += chance
    assert difference / weight == pytest.approx(0.48, abs=1e-12)  # 1 - .6^2 - .4^2
    assert plug_in / weight == pytest.approx(0.29938, abs=5e-6)
    assert distinct == pytest.approx(0.87, abs=1e-12)  # 1 - .7^2 + 1 - .8^2


def test_problems_and_ks_broadcast() -> None:
    counts = np.array([[5, 2, 1], [8, 0, 0], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(pcmd(counts), [17 / 28, 0, 1, np.nan])
    found = np.asarray(distinct_at_k(np.array([[16]] * 4), counts[:, None], np.array([1, 4, 8])))
    assert found.shape == (4, 3)
    for row, column in itertools.product(range(4), range(3)):
        alone = distinct_at_k(16, counts[row].tolist(), (1, 4, 8)[column])
        assert found[row, column] == pytest.approx(alone, abs=1e-15)


@given(st.lists(st.integers(0, 12), max_size=6), st.integers(0, 20), st.data())
def test_never_below_pass_at_k_and_the_same_at_one(counts: list[int], wrong: int, data: st.DataObject) -> None:
    right = sum(counts)
    total = max(right + wrong, 1)
    k = data.draw(st.integers(1, total))
    assert distinct_at_k(total, counts, k) >= pass_at_k(total, right, k) - 1e-12
    assert distinct_at_k(total, counts, k) <= min(k, sum(count > 0 for count in counts)) + 1e-12
    assert distinct_at_k(total, counts, 1) == pytest.approx(right / total, abs=1e-12)


def test_what_cannot_be_counted_is_refused() -> None:
    for counts in (3, [-1, 2], [1.5]):
        with pytest.raises(ForageError, match="counts of modes"):
            pcmd(counts)
    with pytest.raises(ForageError, match="more samples were right"):
        distinct_at_k(4, (3, 2), 2)
    with pytest.raises(ForageError, match="1 <= k <= n"):
        distinct_at_k(4, (3,), 5)


def test_chances_are_what_counts_estimate() -> None:
    """p = (.3, .2 | .5): PCMD .48 and distinct@2 .87, the means of the estimates over all draws of five samples."""
    assert pcmd_of_chances((0.3, 0.2)) == pytest.approx(0.48, abs=1e-12)
    assert distinct_at_k_of_chances((0.3, 0.2), 2) == pytest.approx(0.87, abs=1e-12)
    mean = 0.0
    for a in range(6):
        for b in range(6 - a):
            ways = math.comb(5, a) * math.comb(5 - a, b)
            mean += ways * 0.3**a * 0.2**b * 0.5 ** (5 - a - b) * distinct_at_k(5, (a, b), 2)
    assert mean == pytest.approx(0.87, abs=1e-12)
    assert math.isnan(pcmd_of_chances((0.0, 0.0)))
    assert distinct_at_k_of_chances((), 3) == 0


def test_chances_that_are_none_are_refused() -> None:
    for chances in ((-0.1,), (0.7, 0.7)):
        with pytest.raises(ForageError, match="sum of at most 1"):
            pcmd_of_chances(chances)
    with pytest.raises(ForageError, match="at least one sample"):
        distinct_at_k_of_chances((0.5,), 0)

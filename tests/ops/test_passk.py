import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.ops.passk import pass_at_k, pass_at_k_advantage
from forage.ops.segments import centre


def test_golden_values() -> None:
    # 1 - C(12, 4) / C(16, 4) = 1 - 495 / 1820
    assert pass_at_k(16, 4, 4) == pytest.approx(1 - 495 / 1820)
    assert pass_at_k(16, 4, 4) == pytest.approx(0.728022, abs=1e-6)
    assert pass_at_k(8, 0, 3) == 0
    assert pass_at_k(8, 6, 3) == 1  # 2 wrong samples cannot fill 3 places
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)


@pytest.mark.parametrize("n", range(1, 9))
def test_against_enumeration(n: int) -> None:
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        subsets = list(itertools.combinations(range(n), k))
        wanted = sum(min(subset) < c for subset in subsets) / len(subsets)  # the first c samples are right
        assert pass_at_k(n, c, k) == pytest.approx(wanted, abs=1e-14)


def test_arrays_broadcast_and_large_counts_are_exact() -> None:
    n, c = np.array([256, 1024, 4096]), np.array([3, 1, 200])
    got = pass_at_k(n[:, None], c[:, None], np.array([1, 16, 256]))
    assert got.shape == (3, 3)
    assert got.dtype == np.float64
    for row, column in itertools.product(range(3), range(3)):
        k = [1, 16, 256][column]
        exact = 1 - math.comb(int(n[row] - c[row]), k) / math.comb(int(n[row]), k)
        assert got[row, column] == pytest.approx(exact, abs=1e-12)


@given(st.integers(1, 300), st.data())
def test_never_falls_with_k_and_stays_a_probability(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    curve = pass_at_k(n, c, np.arange(1, n + 1))
    assert (curve >= 0).all()
    assert (curve <= 1).all()
    assert (np.diff(curve) >= -1e-12).all()


def test_impossible_counts_are_refused() -> None:
    for n, c, k in ((4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5)):
        with pytest.raises(ForageError, match="pass@k"):
            pass_at_k(n, c, k)


# ------------------------------------------------------------------------------------------------------- advantages


def enumerated(values: list[float], k: int) -> list[float]:
    """E[max of a k-subset that contains i] - E[max of a k-subset], over all subsets."""
    subsets = list(itertools.combinations(range(len(values)), k))
    best = [max(values[i] for i in subset) for subset in subsets]
    everything = math.fsum(best) / len(best)
    result = []
    for i in range(len(values)):
        mine = [b for subset, b in zip(subsets, best, strict=True) if i in subset]
        result.append(math.fsum(mine) / len(mine) - everything)
    return result


def advantages(values: list[float], k: int) -> list[float]:
    reward = torch.tensor(values, dtype=torch.float64)
    return pass_at_k_advantage(reward, torch.zeros(len(values), dtype=torch.int64), k=k).tolist()


def test_two_of_four_by_hand() -> None:
    # Rewards 1, 0, 0, 0 and k = 2: 3 of the 6 pairs hold the right one, so E[max] = .5; with it: 1; with a given wrong
    # one, 1 of 3 pairs: 1/3. Advantages 1/2 and -1/6: a wrong one is blamed a third as much as the right is praised.
    assert advantages([1, 0, 0, 0], 2) == pytest.approx([1 / 2, -1 / 6, -1 / 6, -1 / 6])


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.25]), min_size=2, max_size=8), st.integers(1, 8))
def test_against_all_subsets(values: list[float], k: int) -> None:
    got = advantages(values, k)
    if k < len(values):
        assert got == pytest.approx(enumerated(values, k), abs=1e-12)
    else:
        assert got == [0.0] * len(values)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20), st.integers(1, 10), st.floats(-100, 100))
def test_sums_to_zero_and_ignores_an_offset(values: list[float], k: int, shift: float) -> None:
    got = advantages(values, k)
    assert math.fsum(got) == pytest.approx(0, abs=1e-10)
    assert advantages([value + shift for value in values], k) == pytest.approx(got, abs=1e-9)


def test_k_of_one_is_mean_centring() -> None:
    reward = torch.tensor([1.0, 0.0, 0.25, 3.0, 1.0], dtype=torch.float64)
    group = torch.tensor([0, 0, 0, 1, 1])
    torch.testing.assert_close(pass_at_k_advantage(reward, group, k=1), centre(reward, group))


def test_unjudged_siblings_are_in_no_subset() -> None:
    reward = torch.tensor([1.0, math.nan, 0.0, 0.0, 0.0])
    got = pass_at_k_advantage(reward, torch.zeros(5, dtype=torch.int64), k=2)
    assert got[1].isnan()
    assert got[[0, 2, 3, 4]].tolist() == pytest.approx([1 / 2, -1 / 6, -1 / 6, -1 / 6])


def test_equal_rewards_have_equal_advantages_bit_for_bit() -> None:
    got = advantages([0.1, 0.7, 0.1, 0.7, 0.1, 0.3, 0.7], 3)
    assert got[0] == got[2] == got[4]
    assert got[1] == got[3] == got[6]
    assert advantages([0.1] * 9, 3) == [0.0] * 9


def test_pass_at_k_gradient_in_a_bernoulli_world() -> None:
    """With success chance s, E[mean advantage * d log p] over n samples is d/ds of pass@k = 1 - (1 - s)^k, over k."""
    n, k, s = 6, 3, 0.3
    total = 0.0
    for outcome in itertools.product([0.0, 1.0], repeat=n):
        chance = math.prod(s if y else 1 - s for y in outcome)
        score = [1 / s if y else -1 / (1 - s) for y in outcome]
        total += chance * math.fsum(a * g for a, g in zip(advantages(list(outcome), k), score, strict=True)) / n
    # E[max over subsets holding i] has the gradient of pass@k spread over k members; the baseline holds i with chance
    # k / n, which takes away that share of it.
    exact = (1 - s) ** (k - 1)
    assert total == pytest.approx(exact * (1 - k / n), rel=1e-9)


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ForageError, match="k counts siblings"):
        advantages([1.0, 0.0], 0)


@given(st.integers(2, 12), st.data())
def test_nothing_to_gain_is_exactly_zero(n: int, data: st.DataObject) -> None:
    """Fewer than k siblings below the best: every subset holds a best one. A residue would be scaled up by the std."""
    k = data.draw(st.integers(1, n))
    worse = data.draw(st.lists(st.floats(-3, 0.6), min_size=0, max_size=k - 1))
    assert advantages([0.7] * (n - len(worse)) + worse, k) == [0.0] * n

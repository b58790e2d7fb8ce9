"""Where rollouts teach: golden values, exact integrals, and the best division of a budget by trying all."""

import itertools
from fractions import Fraction
from math import comb

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.rollout_budget import (
    balanced_siblings,
    difficulty_bucket,
    division_chance,
    rollout_budget,
    teaching_value,
)


def beta_moment(a: int, b: int, up: int, down: int) -> Fraction:
    """E_Beta(a, b)[p^up (1 - p)^down], exactly, for whole a and b."""

    def beta(x: int, y: int) -> Fraction:
        return Fraction(1, (x + y - 1) * comb(x + y - 2, x - 1))

    return beta(a + up, b + down) / beta(a, b)


def test_golden_teaching_values() -> None:
    golden = (6, 2.086957, 0.664032, 0.189723, 0.047431, 0.009985)
    assert [teaching_value(m + 1, 9 - m, k=16) for m in range(6)] == pytest.approx(golden, abs=5e-7)
    assert teaching_value(1, 1, k=16) == pytest.approx(1), "nothing is known, and the mean over p of the slope is 1"
    assert all(teaching_value(a, b, k=1) == 1 for a, b in ((1, 1), (0.3, 7.5)))


def test_both_are_integrals_over_the_posterior() -> None:
    for a, b, n in itertools.product((1, 2, 7), (1, 5), (1, 2, 3, 8)):
        assert teaching_value(a, b, k=n) == pytest.approx(float(n * beta_moment(a, b, 0, n - 1)), rel=1e-12)
        chance = 1 - beta_moment(a, b, n, 0) - beta_moment(a, b, 0, n)
        assert division_chance(a, b, n=n) == pytest.approx(float(chance), abs=1e-12)


@pytest.mark.parametrize("k", [1, 16])
@pytest.mark.parametrize("posteriors", [((1, 1), (1, 30), (4, 2)), ((9, 1), (1, 9), (1.5, 0.7)), ((1, 1),) * 3])
def test_no_other_division_of_the_budget_teaches_more(posteriors: tuple[tuple[float, float], ...], k: int) -> None:
    total, low = 14, 2

    def worth(counts: tuple[int, ...]) -> float:
        pairs = zip(posteriors, counts, strict=True)
        return sum(teaching_value(a, b, k=k) * division_chance(a, b, n=n) for (a, b), n in pairs)

    found = rollout_budget(posteriors, total=total, low=low, k=k)
    assert sum(found) == total
    assert min(found) >= low
    every = [c for c in itertools.product(range(low, total), repeat=3) if sum(c) == total]
    assert worth(tuple(found)) == pytest.approx(max(map(worth, every)), abs=1e-12)
    assert min(map(worth, every)) < max(map(worth, every)) - 1e-3, "the division must matter, or this shows nothing"


def test_equal_problems_get_equal_shares_and_known_ones_least() -> None:
    assert rollout_budget([(1, 1)] * 4, total=32) == [8] * 4
    assert rollout_budget([], total=0) == []
    settled, open_, hopeless = rollout_budget([(500, 1), (4, 4), (1, 500)], total=12)
    assert open_ > settled == hopeless


def test_balance_by_hand() -> None:
    nan = torch.nan
    pools = {  # right or wrong in order, and which of them are kept
        (1.0, 0.0, 1.0, 0.0, 1.0): (1, 1, 1, 1, 0),
        (0.0, 0.0, 0.0, 0.0, 0.0, 1.0): (1, 1, 1, 0, 0, 1),  # one right: three wrong fill up
        (1.0, 1.0, 1.0, 0.0, 1.0, 1.0): (1, 1, 1, 1, 0, 0),
        (0.0, 0.0, 0.0, 0.0, 0.0): (1, 1, 1, 1, 0),
        (nan, 1.0, nan, 0.0): (0, 1, 0, 1),
        (nan,): (0,),
    }
    right = torch.tensor([each for pool in pools for each in pool])
    group = torch.tensor([number * 3 for number, pool in enumerate(pools) for _ in pool])
    wanted = torch.tensor([bool(each) for kept in pools.values() for each in kept])
    assert torch.equal(balanced_siblings(right, group, keep=4), wanted)
    odd = balanced_siblings(torch.tensor([0.0, 0, 1, 1]), torch.zeros(4, dtype=torch.int64), keep=3)
    assert odd.tolist() == [True, False, True, True]


def test_wrong_arguments_are_sentences() -> None:
    with pytest.raises(ForageError, match="at least 2"):
        balanced_siblings(torch.ones(2), torch.zeros(2, dtype=torch.int64), keep=1)
    with pytest.raises(ValueError, match="shape"):
        balanced_siblings(torch.ones(2), torch.zeros(3, dtype=torch.int64), keep=2)
    with pytest.raises(ForageError, match="posterior"):
        teaching_value(0, 1, k=2)
    with pytest.raises(ForageError, match="pass@k"):
        teaching_value(1, 1, k=0)
    with pytest.raises(ForageError, match="group"):
        division_chance(1, 1, n=0)
    with pytest.raises(ForageError, match="too few"):
        rollout_budget([(1, 1), (1, 1)], total=3)


def test_buckets_against_a_table() -> None:
    table = {1: "easy", 9: "easy", 10: "medium", 15: "medium", 20: "medium", 21: "hard", 40: "hard", None: "unsolved"}
    assert {tries: difficulty_bucket(tries) for tries in table} == table
    assert [difficulty_bucket(tries, medium=2, hard=2) for tries in (1, 2, 3)] == ["easy", "medium", "hard"]
    for tries, medium, hard in ((0, 10, 20), (1, 0, 20), (1, 21, 20)):
        with pytest.raises(ForageError, match="Tries count from 1"):
            difficulty_bucket(tries, medium=medium, hard=hard)

"""Best-of-n and votes against enumerations of every subset."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.ops.best_of_n import best_of_n, vote_of_n
from forage.ops.passk import pass_at_k
from forage.ops.step_scores import AGGREGATORS, aggregate

pools = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=6)


@given(pools)
def test_best_of_n_is_the_mean_over_all_subsets(pool: list[tuple[int, int]]) -> None:
    score, worth = (np.array(column, dtype=np.float64) for column in zip(*pool, strict=True))
    ns = range(1, len(pool) + 1)

    def best(subset: tuple[tuple[int, int], ...]) -> float:
        top = max(value for value, _ in subset)
        whole = [right for value, right in pool if value == top]  # those who tie share what the pool's ties are worth
        return float(np.mean(whole))

    wanted = [np.mean([best(subset) for subset in combinations(pool, n)]) for n in ns]
    assert best_of_n(score, worth, ns) == pytest.approx(wanted)


def test_ties_share_as_the_enumeration_of_orders_does() -> None:
    # Two tie at the top, one of them right: half of the time it stands first.
    assert best_of_n(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]), [1, 2, 3]).tolist() == pytest.approx(
        [1 / 3, 1 / 2, 1 / 2]
    )


@given(st.integers(1, 40), st.integers(0, 40))
def test_an_oracle_is_pass_at_n(total: int, right: int) -> None:
    worth = (np.arange(total) < right).astype(np.float64)
    ns = list(range(1, total + 1))
    curve = best_of_n(worth, worth, ns)
    assert curve == pytest.approx([pass_at_k(total, min(right, total), n) for n in ns])
    assert (np.diff(curve) >= -1e-12).all()


def test_a_pool_of_1024() -> None:
    score = np.arange(1024.0)
    worth = (score == 1023).astype(np.float64)
    assert best_of_n(score, worth, [1, 512, 1024]) == pytest.approx([1 / 1024, 0.5, 1])


def test_a_vote_of_all_by_hand() -> None:
    # Answer 0 has two votes of weight .2, answer 1 one of .9; the last sample says nothing.
    answer, worth = [0, 0, 1, -1], np.array([1.0, 1.0, 0.0, 0.0])
    assert vote_of_n(answer, np.ones(4), worth, [4], seed=0) == 1
    assert vote_of_n(answer, np.array([0.2, 0.2, 0.9, 5.0]), worth, [4], seed=0) == 0
    assert vote_of_n(answer, np.array([0.45, 0.45, 0.9, 5.0]), worth, [4], seed=0) == 0.5
    assert vote_of_n([-1, -1], np.ones(2), np.ones(2), [2], seed=0) == 0


def test_a_vote_of_some_is_near_its_enumeration() -> None:
    answer, weight = [0, 0, 1, 1, 1, -1], np.array([0.9, 0.5, 0.3, 0.6, 0.2, 1.0])
    worth = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])

    def winner(subset: tuple[int, ...]) -> float:
        votes = [sum(weight[i] for i in subset if answer[i] == name) for name in (0, 1)]
        return float(votes[0] > votes[1]) if votes[0] != votes[1] else 0.5

    wanted = np.mean([winner(subset) for subset in combinations(range(6), 3)])
    assert vote_of_n(answer, weight, worth, [3], seed=1) == pytest.approx(wanted, abs=0.06)
    assert vote_of_n(answer, weight, worth, [3], seed=1) == vote_of_n(answer, weight, worth, [3], seed=1)
    together = vote_of_n(answer, weight, worth, [1, 3, 6], seed=1)
    assert together.tolist() == [vote_of_n(answer, weight, worth, [n], seed=1).item() for n in (1, 3, 6)]
    assert together[2] == winner(tuple(range(6)))


def test_impossible_questions_are_sentences() -> None:
    for n in (0, 3):
        with pytest.raises(ForageError, match="1 <= n <= 2"):
            best_of_n(np.zeros(2), np.zeros(2), [n])
        with pytest.raises(ForageError, match="1 <= n <= 2"):
            vote_of_n([0, 0], np.ones(2), np.ones(2), [n], seed=0)
    with pytest.raises(ForageError, match="NaN"):
        best_of_n(np.array([0.0, np.nan]), np.zeros(2), [1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_aggregators_are_ordered(scores: list[float]) -> None:
    product, least, mean, most, total = (aggregate(scores, how) for how in ("product", "min", "mean", "max", "sum"))
    assert product <= least <= mean + 1e-12
    assert mean <= most + 1e-12
    assert most <= total + 1e-12
    assert aggregate(scores, "last") == scores[-1]
    assert len({aggregate(scores[:1], how) for how in AGGREGATORS}) == 1


def test_aggregators_by_hand() -> None:
    wanted = {"min": 0.25, "last": 0.5, "mean": 0.5, "product": 0.09375, "max": 0.75, "sum": 1.5}
    assert {how: aggregate([0.75, 0.25, 0.5], how) for how in AGGREGATORS} == wanted
    assert aggregate([], "min") == 0
    with pytest.raises(ForageError, match="'median'"):
        aggregate([1.0], "median")  # pyright: ignore[reportArgumentType]

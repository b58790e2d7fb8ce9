"""The store of restarts: caps, repetition, the order of eviction, and what may be drawn."""

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.parts.memory.restart_store import RestartStore, StoredState, StoreLimits

ENTRIES = st.builds(
    StoredState,
    problem=st.sampled_from("abc"),
    prefix=st.lists(st.integers(0, 2), min_size=1, max_size=3).map(tuple),
    score=st.sampled_from([0.0, 0.25, 0.5]),
    created=st.integers(1, 4),
    scored=st.just(1),
    tries=st.integers(0, 3),
    successes=st.integers(0, 3),
)
LIMITS = StoreLimits(per_problem=3, total=5, tries=3, enough=2)


def entry(prefix: int, score: float = 0.5, *, problem: str = "a", created: int = 1) -> StoredState:
    return StoredState(problem, (prefix,), score, created, created)


@given(st.lists(ENTRIES, max_size=40))
def test_caps_and_order_hold_under_any_insertions(entries: list[StoredState]) -> None:
    store = RestartStore(LIMITS)
    for one in entries:
        before = store.entries()
        added = store.add(one)
        after = store.entries()
        assert added == (one.key not in {e.key for e in before} and one in after)
        assert len(after) <= 5
        assert all(count <= 3 for count in Counter(e.problem for e in after).values())
        assert len({e.key for e in after}) == len(after)
        assert len([e for e in before if e not in after]) <= 1
    again = RestartStore(LIMITS)
    again.restore(json.loads(json.dumps(store.state())))
    assert again.entries() == store.entries()


@given(st.lists(ENTRIES, min_size=4, max_size=4, unique_by=lambda one: one.prefix))
def test_the_worst_goes_whatever_the_order_of_arrival(entries: list[StoredState]) -> None:
    same = [replace(one, problem="a") for one in entries]
    left = set()
    for order in (same, same[::-1], sorted(same, key=lambda one: one.prefix)):
        store = RestartStore(LIMITS)
        for one in order:
            store.add(one)
        left.add(tuple(store.entries()))
    assert len(left) == 1


def test_eviction_by_hand() -> None:
    store = RestartStore(StoreLimits(per_problem=2, total=9, tries=3, enough=2))
    store.add(entry(1, 0.9))
    store.add(entry(2, 0.5))
    assert not store.add(entry(3, 0.4)), "the lowest score goes, even if it just came"
    store.tried(("a", (1,)), 2)
    assert store.add(entry(3, 0.4)), "a solved entry goes first, whatever its score"
    assert [one.prefix for one in store.entries()] == [(2,), (3,)]
    for _ in range(3):
        store.tried(("a", (2,)), 0)
    assert store.add(entry(4, 0.1)), "then one that was tried out"
    assert [one.prefix for one in store.entries()] == [(3,), (4,)]


def test_a_success_never_outlives_an_unsolved_one_of_equal_score_and_age_decides_last() -> None:
    store = RestartStore(StoreLimits(per_problem=2, total=9))
    store.add(entry(1, created=5))
    store.add(entry(2, created=1))
    store.tried(("a", (1,)), 1)
    store.add(entry(3, created=1))
    assert [one.prefix for one in store.entries()] == [(2,), (3,)]
    store.add(entry(1, created=5))
    assert [one.prefix for one in store.entries()] == [(1,), (3,)], "older goes first; of equal age the smaller key"


def test_equal_keys_stay_once_as_they_are() -> None:
    store = RestartStore(LIMITS)
    assert store.add(entry(1, 0.2))
    assert not store.add(entry(1, 0.9))
    assert store.entries() == [entry(1, 0.2)]
    store.rescore(("a", (1,)), 0.7, 9)
    assert store.entries() == [replace(entry(1, 0.7), scored=9)]
    store.tried(("a", (99,)), 1)
    assert len(store) == 1


def test_draws_do_not_repeat_and_leave_out_what_is_done() -> None:
    store = RestartStore(StoreLimits(tries=1, enough=2))
    for number in range(4):
        store.add(entry(number))
    store.tried(("a", (0,)), 0)
    drawn = store.draw(9, {}, 0.2, random.Random(0))
    assert sorted(one.prefix for one in drawn) == [(1,), (2,), (3,)]
    assert store.draw(2, {}, 0.2, random.Random(5)) == store.draw(2, {}, 0.2, random.Random(5))
    assert RestartStore(LIMITS).draw(3, {}, 0.2, random.Random(0)) == []


def test_hard_problems_and_promising_entries_come_first() -> None:
    store = RestartStore(StoreLimits())
    store.add(entry(1, 0.2, problem="hard"))
    store.add(entry(2, 0.6, problem="hard"))
    store.add(entry(3, 0.9, problem="easy"))
    rng = random.Random(1)
    seen = Counter(store.draw(1, {"hard": 0.0, "easy": 1.0}, 0.2, rng)[0].prefix for _ in range(4000))
    assert seen[(3,)] / 4000 == pytest.approx(0.05 / 1.10, abs=0.015)
    assert seen[(2,)] / seen[(1,)] == pytest.approx(2.718**2, rel=0.15)


def test_limits_are_positive() -> None:
    with pytest.raises(ForageError, match="1 or more"):
        StoreLimits(total=0)

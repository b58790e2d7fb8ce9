"""Rounds of sampling: who gets another one, what the pool is, and what stays plain sampling."""

import pytest

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Rollout, SamplingParams, Score, Start
from forage.parts.explore.adaptive_rounds import AdaptiveRounds
from forage.parts.explore.plain import PlainSampling
from support.builders import problem
from support.coins import Coins
from support.worlds import EASY

PARAMS = SamplingParams(max_tokens=1)
STARTS = [Start(problem(str(number))) for number in range(6)]
"""One coin is a response: heads is right."""


def pools(part: AdaptiveRounds, coins: Coins, seed: int = 0, size: int = 4) -> list[tuple[Rollout, ...]]:
    found = sorted(part(STARTS, EASY, coins.tools, group_size=size, params=PARAMS, seed=seed))
    assert [order for order, _ in found] == list(range(len(STARTS)))
    return [rollouts for _, rollouts in found]


def one_coin(**settings: object) -> Coins:
    return Coins(length=1, **settings)  # pyright: ignore[reportArgumentType]


def shows_both(rollouts: tuple[Rollout, ...], least: int = 2) -> bool:
    heads = sum(rollout.tokens == (1,) for rollout in rollouts)
    return min(heads, len(rollouts) - heads) >= least


def test_rounds_end_where_both_sides_are_seen_and_never_before() -> None:
    sizes = set()
    for seed in range(30):
        for pool in pools(AdaptiveRounds(), one_coin(), seed):
            sizes.add(len(pool))
            assert shows_both(pool) or len(pool) == 16
            assert not any(shows_both(pool[:size]) for size in range(4, len(pool), 4))
    assert sizes >= {4, 8, 12}


def test_the_first_round_is_plain_sampling_and_later_ones_are_new() -> None:
    plain = dict(PlainSampling()(STARTS, EASY, one_coin().tools, group_size=8, params=PARAMS, seed=3))
    for order, pool in enumerate(pools(AdaptiveRounds(right=99, max_rounds=3), one_coin(), 3, 8)):
        assert len(pool) == 24
        assert pool[:8] == plain[order]
        assert [r.tokens for r in pool[8:16]] != [r.tokens for r in pool[16:]]


def test_hopeless_problems_take_every_round_and_no_more() -> None:
    assert {len(pool) for pool in pools(AdaptiveRounds(max_rounds=4), one_coin(heads=0.0))} == {16}
    assert {len(pool) for pool in pools(AdaptiveRounds(right=1, wrong=0), one_coin(heads=1.0))} == {4}
    assert {len(pool) for pool in pools(AdaptiveRounds(right=0, wrong=1), one_coin(heads=1.0))} == {16}


def test_what_was_not_judged_shows_no_side() -> None:
    part = AdaptiveRounds(right=1, wrong=1)
    assert not part.enough([Score(1.0), UNJUDGED])
    assert not part.enough([UNJUDGED, Score(0.0)])
    assert part.enough([Score(1.0), UNJUDGED, Score(0.0)])
    assert not part.enough([Score(0.0, {"correct": 1.0}), Score(0.3, {"correct": 1.0})]), "the verdict counts"


def test_the_control_asks_as_many_but_others() -> None:
    other = False
    for seed in range(10):
        real, control = one_coin(), one_coin()
        pools(AdaptiveRounds(max_rounds=2), real, seed)
        found = pools(AdaptiveRounds(max_rounds=2, spend="random"), control, seed)
        assert len(control.asked) == len(real.asked)
        other |= {r.seed for r in control.asked} != {r.seed for r in real.asked}
        assert pools(AdaptiveRounds(max_rounds=2, spend="random"), one_coin(), seed) == found
    assert other


def test_a_start_that_asks_for_its_own_number_gets_it() -> None:
    starts = [Start(problem("a"), group_size=3), Start(problem("b"))]
    for part in (PlainSampling(), AdaptiveRounds(max_rounds=1)):
        found = dict(part(starts, EASY, one_coin().tools, group_size=5, params=PARAMS, seed=0))
        assert [len(found[order]) for order in (0, 1)] == [3, 5]


def test_wrong_settings_are_sentences() -> None:
    for wrong in ({"right": -1}, {"max_rounds": 0}, {"right": 0, "wrong": 0}):
        with pytest.raises(ForageError, match="Adaptive rounds"):
            AdaptiveRounds(**wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="needed"):
        AdaptiveRounds(spend="all")  # pyright: ignore[reportArgumentType]

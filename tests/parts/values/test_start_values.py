"""The value service on a chain of coins, where every value is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Reward, Task
from forage.core.records import Origin, Problem, Rollout, SamplingParams, Score, Start
from forage.parts.values import Metered, MonteCarlo, StartValue, StartValues
from support.builders import problem
from support.coins import Coins


def service(coins: Coins, continuations: int = 2000, **settings: object) -> StartValues:
    method = MonteCarlo(continuations=continuations)
    return StartValues(coins.tools, SamplingParams(max_tokens=4), method, seed=3, **settings)  # pyright: ignore


def test_values_are_unbiased_and_their_errors_honest() -> None:
    values = service(Coins(heads=0.3))([Start(problem()), Start(problem(), (1, 1)), Start(problem(), (0, 1, 1))])
    for value, done, left in zip(values, (0, 2, 2), (4, 2, 1), strict=True):
        assert value.mean == pytest.approx((done + 0.3 * left) / 4, abs=4 * value.error)
        assert value.error == pytest.approx(math.sqrt(0.21 * left) / 4 / math.sqrt(2000), rel=0.1)
        assert value.judged == 2000
        assert value.tokens == 2000 * left


def test_a_policy_without_choice_has_the_value_of_its_return() -> None:
    (value,) = service(Coins(heads=1.0), 5)([Start(problem(), (0, 1))])
    assert (value.mean, value.error) == (0.75, 0.0)


def test_equal_starts_are_sampled_once_until_the_policy_changes() -> None:
    coins = Coins()
    values, starts = service(coins, 4), [Start(problem(), (1,)), Start(problem(), (0,)), Start(problem(), (1,))]
    first, other, again = values(starts)
    assert len(coins.asked) == 2
    assert again == replace(first, tokens=0)
    assert values(starts) == tuple(replace(value, tokens=0) for value in (first, other, first))
    assert len(coins.asked) == 2
    coins.version, coins.heads = 1, 1.0
    assert values(starts[:1])[0].mean == 1.0
    assert len(coins.asked) == 3


def test_states_are_pooled_where_they_have_a_name() -> None:
    coins = Coins()
    values = service(coins, 4, state=lambda start: f"{sum(start.prefix)} of {len(start.prefix)}")
    found = values([Start(problem(), (1, 0)), Start(problem(), (0, 1)), Start(problem(), (1, 1))])
    assert [request.tokens for request in coins.asked] == [(9, 1, 1), (9, 1, 0)]
    assert found[1] == replace(found[0], tokens=0)


def test_a_value_does_not_depend_on_its_company() -> None:
    starts = [Start(problem(), (1,)), Start(problem("q")), Start(problem())]
    together = service(Coins(), 6)(starts)
    assert together == tuple(service(Coins(), 6)([start])[0] for start in starts)
    assert together == service(Coins(), 6)(starts[::-1])[::-1]


def test_what_cannot_be_judged_takes_no_part() -> None:
    (value,) = service(Coins(heads=1.0, broken=("1111",)), 3)([Start(problem())])
    assert math.isnan(value.mean)
    assert (value.judged, value.tokens) == (0, 12)
    (single,) = service(Coins(), 1)([Start(problem())])
    assert math.isnan(single.error)


def test_rewards_of_the_recipe_count() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Doubled(Reward):
        def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
            assert all(rollout.text.startswith("1") for rollout in rollouts)
            return tuple(replace(score, value=2 * score.value) for score in scores)

    method = MonteCarlo(continuations=2, rewards=(Doubled(),))
    values = StartValues(Coins(heads=1.0).tools, SamplingParams(max_tokens=4), method, seed=0)
    assert values([Start(problem(), (1,))])[0].mean == 2.0


@dataclass(frozen=True, kw_only=True)
class Steps(Reward):
    """The number of steps of a response that the continuation ends."""

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        return tuple(replace(s, value=float(len(r.step_ends))) for r, s in zip(rollouts, scores, strict=True))


def test_the_rewards_of_the_run_count_unless_others_are_named() -> None:
    tools, params, starts = replace(Coins().tools, rewards=(Steps(),)), SamplingParams(max_tokens=4), [Start(problem())]
    values = MonteCarlo(continuations=2).open(Heads(), tools, params, seed=0)
    assert values(starts)[0].mean == 4.0, "every token is a step of this task"
    for origin, steps in ((Origin.REPLAY, 4.0), (Origin.POLICY, 4.0), (Origin.WRONG, 3.0)):
        (value,) = MonteCarlo(continuations=2).open(Heads(), tools, params, seed=1)([Start(problem(), (1,), origin)])
        assert (value.mean, value.tokens) == (steps, 6)
        tools.value_cache.clear()
    assert MonteCarlo(continuations=2, rewards=()).open(Heads(), tools, params, seed=0)(starts)[0].mean <= 1.0


def test_what_one_service_has_found_no_other_one_samples_in_the_same_step() -> None:
    coins, starts = Coins(), [Start(problem(), (1,)), Start(problem())]
    tools, params = coins.tools, SamplingParams(max_tokens=4)

    def valued(continuations: int, seed: int) -> tuple[StartValue, ...]:
        return MonteCarlo(continuations=continuations).open(Heads(), tools, params, seed=seed)(starts)

    first = valued(3, 1)
    assert valued(3, 1) == tuple(replace(value, tokens=0) for value in first)
    assert len(coins.asked) == 2
    valued(5, 1)
    assert len(coins.asked) == 4, "more continuations are another value"
    assert len(tools.value_cache) == 4
    assert valued(3, 2) == tuple(replace(value, tokens=0) for value in first), "whatever the seed of the one that asks"
    coins.version = 1
    valued(3, 1)
    assert len(coins.asked) == 6
    assert len(tools.value_cache) == 2


def test_a_continuation_has_the_room_that_the_prefix_leaves() -> None:
    coins = Coins()
    service(coins, 2)([Start(problem(), (1, 1, 1))])
    assert coins.asked[0].limit == 1
    with pytest.raises(ForageError, match="no room"):
        service(coins)([Start(problem(), (1, 1, 1, 1))])
    with pytest.raises(ForageError, match="at least 1"):
        MonteCarlo(continuations=0)


def test_the_meter_counts_every_token_once() -> None:
    meter = Metered(Coins())
    tools = replace(Coins().tools, sampler=meter)
    values = StartValues(tools, SamplingParams(max_tokens=4), MonteCarlo(continuations=5), seed=0)
    spent = sum(value.tokens for value in values([Start(problem()), Start(problem(), (1,))]))
    assert meter.take() == spent == 5 * (4 + 3)
    assert meter.take() == 0


@dataclass(frozen=True, kw_only=True)
class Heads(Task):
    """States are named by their heads and their length; the empty one has no name."""

    name = "heads"

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return [problem()]

    def verify(self, problem: Problem, text: str) -> Score:
        return Score(0.0)

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return tuple(range(1, len(pieces) + 1))

    def state(self, problem: Problem, text: str) -> str | None:
        return f"{text.count('1')} of {len(text)}" if text else None


def test_the_task_says_which_states_are_equal() -> None:
    coins, task = Coins(), Heads()
    starts = [Start(problem(), (1, 0)), Start(problem(), (0, 1)), Start(problem("q"), (0, 1)), Start(problem())]
    params = SamplingParams(max_tokens=4)
    found = MonteCarlo(continuations=4, equal="state").open(task, coins.tools, params, seed=3)(starts)
    assert len(coins.asked) == 3, "states of two problems are never one, and what has no name is itself"
    assert found[1] == replace(found[0], tokens=0)
    assert found[0].tokens > 0 < found[2].tokens
    MonteCarlo(continuations=4).open(task, coins.tools, params, seed=3)(starts)
    assert len(coins.asked) == 3 + 4


def test_what_siblings_got_is_known_until_the_policy_changes() -> None:
    coins = Coins(heads=1.0)
    values = service(coins, 4)
    values.store(Start(problem()), [0.0, 0.5])
    (value,) = values([Start(problem())])
    assert (value.mean, value.judged, value.tokens, coins.asked) == (0.25, 2, 0, [])
    coins.version = 1
    assert values([Start(problem())])[0].mean == 1.0

"""Forked siblings: an exact budget, whole responses, the places that are meant, and the same bits from one seed."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Explore
from forage.core.records import Completion, Problem, Rollout, SampleRequest, SamplingParams, Start
from forage.parts.explore.entropy_forks import EntropyForks
from forage.parts.explore.plain import PlainSampling
from forage.parts.explore.surprise_forks import SurpriseForks
from support.builders import problem
from support.coins import Coins
from support.worlds import World

PARAMS = SamplingParams(max_tokens=8)
STARTS = [Start(problem("a")), Start(problem("b"), (1,)), Start(problem("c"), group_size=7)]


@dataclass(frozen=True, kw_only=True)
class Answers(World):
    """Every token is a step; a 1 is the answer, if that is told."""

    worth: tuple[tuple[str, float], ...] = ()
    told: bool = False

    def answer(self, problem: Problem, text: str) -> str | None:
        return "1" if self.told and "1" in text else None


@dataclass
class Uneven(Coins):
    """Log-probability and entropy of a coin depend on where it lies in the response: place 3 is the least likely."""

    length: int = 8
    logprobs: tuple[float, ...] = (-0.5, -0.6, -0.7, -3.0, -0.1, -2.0, -0.2, -0.3)
    entropies: tuple[float, ...] = (1.0,) * 8

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for number, completions in super().sample(requests, params):
            begin = len(requests[number].tokens) - 1
            yield (
                number,
                tuple(
                    replace(
                        one,
                        logprobs=self.logprobs[begin : begin + len(one.tokens)],
                        entropies=self.entropies[begin : begin + len(one.tokens)],
                    )
                    for one in completions
                ),
            )


def explore(
    part: Explore, coins: Coins, *, seed: int = 0, size: int = 16, told: bool = False, starts: Sequence[Start] = STARTS
) -> list[tuple[Rollout, ...]]:
    found = sorted(part(starts, Answers(told=told), coins.tools, group_size=size, params=PARAMS, seed=seed))
    return [rollouts for _, rollouts in found]


PARTS = [
    SurpriseForks(),
    SurpriseForks(places="random"),
    SurpriseForks(forks=3, branches=1),
    EntropyForks(),
    EntropyForks(places="random"),
    EntropyForks(roots=0.1, base=1.0),
    EntropyForks(base=0.0, weight=0.0),
]


@pytest.mark.parametrize("part", PARTS, ids=repr)
@pytest.mark.parametrize("size", [1, 2, 5, 16, 17])
def test_the_budget_is_exact_and_siblings_are_whole(part: Explore, size: int) -> None:
    for seed in range(4):
        for start, rollouts in zip(STARTS, explore(part, Uneven(), seed=seed, size=size), strict=True):
            assert len(rollouts) == (start.group_size or size)
            for rollout in rollouts:
                assert rollout.start == start
                assert len(rollout.tokens) == 8 - len(start.prefix)
                begin = len(start.prefix)
                assert rollout.logprobs == Uneven.logprobs[begin:], "the shared tokens keep what they were drawn with"
                assert rollout.text == "".join(map(str, start.prefix + rollout.tokens))


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_the_same_seed_forks_alike_in_any_company(part: Explore) -> None:
    assert explore(part, Uneven()) == explore(part, Uneven())
    assert explore(part, Uneven(), starts=STARTS[:1])[0] == explore(part, Uneven())[0]
    assert explore(part, Uneven(), seed=1) != explore(part, Uneven())


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_the_first_ones_are_plain_sampling(part: Explore) -> None:
    (forked,) = explore(part, Uneven(), starts=STARTS[:1])
    (plain,) = explore(PlainSampling(), Uneven(), starts=STARTS[:1])
    roots = 16 // 5 if isinstance(part, SurpriseForks) else 2
    assert forked[:roots] == plain[:roots]


def test_chains_are_forked_at_their_least_likely_tokens() -> None:
    coins = Uneven()
    (rollouts,) = explore(SurpriseForks(), coins, size=30, starts=STARTS[:1])
    assert coins.asked[0].group_size == 6
    assert sorted(len(one.tokens) - 1 for one in coins.asked[1:]) == [3] * 12 + [5] * 12, "two branches from each"
    for place, rollout in enumerate(rollouts[6:]):
        assert rollout.tokens[: (3, 5)[place // 2 % 2]] == rollouts[place // 4].tokens[: (3, 5)[place // 2 % 2]]


def test_random_forks_go_elsewhere_as_often() -> None:
    coins = Uneven()
    explore(SurpriseForks(places="random"), coins, size=30, starts=STARTS[:1])
    places = [len(one.tokens) - 1 for one in coins.asked[1:]]
    assert len(places) == 24
    assert len(set(places)) > 4


@pytest.mark.parametrize("part", [SurpriseForks(), EntropyForks(base=1.0)], ids=repr)
def test_nothing_is_forked_behind_the_answer(part: Explore) -> None:
    for seed in range(5):
        coins = Uneven(heads=0.4)
        (rollouts,) = explore(part, coins, size=20, told=True, starts=STARTS[:1], seed=seed)
        begun = [one.tokens[1:] for one in coins.asked[1:]]
        assert len(begun) >= 10
        assert all(1 not in tokens for tokens in begun)
        assert any(1 in rollout.tokens[:4] for rollout in rollouts)


def test_a_flat_entropy_or_no_weight_is_a_coin() -> None:
    """Of the 7 ends of steps of one root, each is forked with chance 1/2 where entropy does not rise."""
    flat, steep = (1.0,) * 8, (0.0,) * 4 + (9.0,) * 4
    for part, entropies in ((EntropyForks(roots=0.01, window=1), flat), (EntropyForks(roots=0.01, weight=0), steep)):
        first = [first_wave(part, Uneven(entropies=entropies), seed) for seed in range(400)]
        assert sum(map(len, first)) / (7 * 400) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(7 * 400))


def first_wave(part: EntropyForks, coins: Coins, seed: int) -> list[int]:
    """Where the only root was forked (not at all: it is begun anew)."""
    task, tools = Answers(), coins.tools
    draw = random.Random(seed)
    root = Rollout(
        STARTS[0],
        tuple(draw.randrange(2) for _ in range(8)),
        (-1.0,) * 8,
        coins.entropies,  # pyright: ignore[reportAttributeAccessIssue]
        "",
        tuple(range(1, 9)),
        "eos",
        0,
    )
    return [fork.kept for fork in part._forks([root], [(0, 0)], 99, task, tools, seed) if fork.kept]


def test_forks_go_where_entropy_has_risen() -> None:
    part = EntropyForks(weight=0.5, unit=1.0, window=1)
    coins = Uneven(entropies=(1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 2.0, 0.0))
    forked = [first_wave(part, coins, seed) for seed in range(200)]
    always, never, coin = (
        [sum(end in ends for ends in forked) for end in some] for some in ((2, 6), (1, 3, 5, 7), (4,))
    )
    assert always == [200, 200]
    assert never == [0] * 4
    assert 60 < coin[0] < 140


def test_the_control_forks_each_as_often_but_anywhere() -> None:
    coins = Uneven(entropies=(1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 2.0, 0.0))
    part = EntropyForks(weight=0.5, unit=1.0, window=1)
    seen: set[int] = set()
    for seed in range(100):
        real, control = first_wave(part, coins, seed), first_wave(replace(part, places="random"), coins, seed)
        assert len(set(control)) == len(control) == len(real)
        seen |= set(control)
    assert seen == set(range(1, 8))


def test_wrong_settings_are_sentences() -> None:
    for wrong in ({"forks": 0}, {"branches": 0}, {"places": "all"}):
        with pytest.raises(ForageError, match="Chains are forked"):
            SurpriseForks(**wrong)  # pyright: ignore[reportArgumentType]
    for wrong in ({"roots": 0.0}, {"window": 0}, {"places": "all"}):
        with pytest.raises(ForageError, match="Forks by entropy"):
            EntropyForks(**wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="chance to fork"):
        EntropyForks(unit=0.0)

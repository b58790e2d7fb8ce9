"""Votes over controlled responses: what is counted, against hand-made responses, and the command on a tiny model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.engines.local.engine import LocalEngine
from forage.parts.explore.plain import PlainSampling
from forage.parts.explore.reasoning_control import ReasoningControl
from forage.parts.values import Metered
from forage.tasks.with_environment import with_environment
from forage.training.vote_search import _Ballots, _cast, _count, _votes, vote_search
from parts.explore.test_forks import PARAMS, Answers, Uneven
from support.builders import problem
from support.turn_worlds import Guide
from support.worlds import World, blank_model

PROBLEMS = [problem("a"), problem("b")]


@dataclass(frozen=True, kw_only=True)
class Counting(Answers):
    """The answer is the first token where it is a coin's; the judge's verdict is the share of heads."""

    def answer(self, problem: Problem, text: str) -> str | None:
        return text[:1] or None

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class Voting(World):
    """The first word is the answer, and `right` is the right one."""

    worth: tuple[tuple[str, float], ...] = (("north", 1.0),)

    def answer(self, problem: Problem, text: str) -> str | None:
        return text.split()[0] if text.split() else None


def ballots(size: int = 4, repeats: int = 3) -> Mapping[str, _Ballots]:
    found: dict[str, _Ballots] = {}
    for name, part in (
        ("controlled", ReasoningControl()),
        ("random", ReasoningControl(control="random")),
        ("plain", PlainSampling()),
    ):
        coins = Uneven()
        meter = Metered(coins)
        tools = type(coins.tools)(coins, meter, coins)
        groups = _cast(part, PROBLEMS, repeats, size, Counting(), tools, PARAMS, seed=0)
        found[name] = _Ballots(groups, meter.take())
    return found


def test_votes_by_hand() -> None:
    """The judge calls a response right from half of its tokens heads up; the answer is its first token."""
    found = ballots()["plain"]
    tools = Uneven().tools
    shares = list(_votes(found.groups, [4, 1], PROBLEMS, Counting(), tools, seed=0))
    for (solved, answered), searches in zip(shares, found.groups, strict=True):
        assert answered == 12
        wanted = []
        for rollouts in searches:
            worth = {"0": [], "1": []}
            for rollout in rollouts:
                worth[rollout.text[0]].append(float(rollout.text.count("1") >= 4))
            most = max(map(len, worth.values()))
            winners = [np.mean(each) for each in worth.values() if len(each) == most]
            wanted.append((np.mean(winners), np.mean([each for some in worth.values() for each in some])))
        assert solved[0] == pytest.approx(np.mean(wanted, axis=0)[0])
        assert solved[1] == pytest.approx(np.mean(wanted, axis=0)[1], abs=0.03), "by subsets that are drawn"


def test_searches_are_independent_and_tokens_are_those_that_were_sampled() -> None:
    found = ballots()
    for name, cast in found.items():
        texts = [[rollout.text for rollout in rollouts] for searches in cast.groups for rollouts in searches]
        assert len(texts) == 6
        assert len({tuple(each) for each in texts}) == 6
        assert cast.tokens == (6 * 4 * 8 if name == "plain" else cast.tokens) <= 6 * 4 * 8
    assert found["controlled"].tokens < found["plain"].tokens


def test_plain_sampling_has_at_least_as_many_tokens() -> None:
    result = _count(ReasoningControl(), dict(ballots(size=6)), PROBLEMS, Counting(), Uneven().tools, seed=0)
    assert result.n == int(np.ceil(result.controlled_tokens / 8))
    assert 8 * result.n == result.plain_tokens >= result.controlled_tokens
    assert result.gain.estimate == pytest.approx(result.controlled.estimate - result.plain.estimate)
    assert result.over_random.estimate == pytest.approx(result.controlled.estimate - result.random.estimate)
    assert result.single_tokens == 8


def test_without_answers_there_is_nothing_to_vote_on() -> None:
    with pytest.raises(ForageError, match="voted on"):
        _count(ReasoningControl(), dict(ballots()), PROBLEMS, Answers(), Uneven().tools, seed=0)


def test_wrong_numbers_are_a_sentence() -> None:
    with pytest.raises(ForageError, match="at least one response"):
        vote_search("nowhere", responses=0)
    with pytest.raises(ForageError, match="at least one response"):
        vote_search("nowhere", repeats=0)


def test_a_model_is_searched_and_one_seed_is_one_result(tmp_path: Path) -> None:
    model = blank_model(tmp_path / "model")
    asked = {"task": Voting(), "responses": 6, "repeats": 3, "max_tokens": 4}
    engine = LocalEngine(threads=1, matmul="highest")
    first, second = (vote_search(model, engine=engine, **asked) for _ in range(2))
    assert first == second
    assert first != vote_search(model, engine=engine, seed=1, **asked)
    assert (first.problems, first.repeats, first.responses) == (3, 3, 6)
    assert 1 <= first.n <= 6
    assert "entropy control, 6 vote" in str(first.table().rows)


def test_an_environment_answers_in_a_search_too(tmp_path: Path) -> None:
    """`one two` is what the guide says behind `north`; the model says it by itself in a response of hundreds."""
    task = with_environment(Voting(worth=(("north one two", 1.0),)), Guide())
    model, engine = blank_model(tmp_path / "model"), LocalEngine(threads=1, matmul="highest")
    found = vote_search(model, engine=engine, task=task, responses=16, repeats=2, max_tokens=4)
    assert found.single.estimate > 0.05

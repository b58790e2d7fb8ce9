"""Answers of the base: sampled once, the right ones of what it solves kept as often as they came, shown evenly."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from forage.core.demonstrations import DemonstratingMemory
from forage.core.errors import ForageError
from forage.core.protocols import Tools
from forage.core.records import Completion, Problem, SampleRequest, SamplingParams, Score
from forage.parts.memory import BaseSamples
from support.builders import group, problem
from support.worlds import EASY

PROBLEMS = [problem(name) for name in "abc"]
RIGHT = {"a": 4, "b": 2, "c": 0}
"""How many of four samples are right: those of the tokens 0, 0, 1, 1."""


class Base:
    """Codec, sampler and judge at once: sample j of a problem has the token j // 2 and is right where j is small."""

    def __init__(self) -> None:
        self.asked: list[SampleRequest] = []

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return (ord(problem.id),)

    def decode(self, tokens: Sequence[int]) -> str:
        return " ".join(map(str, tokens))

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        self.asked += requests
        for order in reversed(range(len(requests))):
            rows = range(requests[order].group_size)
            yield order, tuple(Completion((j // 2,), (-0.1 * (1 + j),), (0.5,), "eos") for j in rows)

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        found: Future[tuple[Score, ...]] = Future()
        found.set_result(tuple(Score(float(j < RIGHT[problem.id])) for j in range(len(texts))))
        return found


def opened(**settings: Any) -> DemonstratingMemory:
    memory = BaseSamples(**{"samples": 4, **settings}).open(PROBLEMS, seed=0)
    assert isinstance(memory, DemonstratingMemory)
    return memory


def asked(memory: DemonstratingMemory, step: int = 1) -> tuple[Base, dict[str, float]]:
    base: Any = Base()
    tools = Tools(base, base, base)
    return base, dict(memory.observe([], EASY, tools, SamplingParams(), step=step, seed=step))


def test_the_base_is_asked_in_the_first_step_alone() -> None:
    memory = opened()
    base, metrics = asked(memory)
    assert [(request.tokens, request.group_size) for request in base.asked] == [((ord(n),), 4) for n in "abc"]
    assert metrics == {"exemplars": 4, "exemplar_problems": 1, "exemplars_per_problem": 4}
    assert asked(memory, 2)[0].asked == []


@pytest.mark.parametrize(("solved", "kept"), [(1.0, {"a": 4}), (0.5, {"a": 4, "b": 2}), (0.0, {"a": 4, "b": 2})])
def test_right_answers_of_what_it_solves_are_kept_as_often_as_they_came(solved: float, kept: dict[str, int]) -> None:
    memory = opened(solved=solved, shown=9)
    assert memory.demonstrate([group([1.0])]) == ()
    asked(memory)
    shown = memory.demonstrate([group([1.0])])
    assert Counter(one.problem.id for one in shown) == kept
    logprobs = {(one.problem.id, one.tokens): [] for one in shown}
    for one in shown:
        logprobs[one.problem.id, one.tokens] += one.logprobs or ()
    assert sorted(logprobs["a", (1,)]) == pytest.approx([-0.4, -0.3])
    if "b" in kept:
        assert set(logprobs) == {("a", (0,)), ("a", (1,)), ("b", (0,))}


def test_weights_of_a_step_add_up_to_its_groups() -> None:
    memory = opened(solved=0.5, shown=1)
    asked(memory)
    groups = [group([1.0, 0.0]), group([0.0]), group([1.0])]
    shown = memory.demonstrate(groups)
    assert [(one.group, one.weight) for one in shown] == [(0, 1), (1, 1), (2, 1)]
    few = opened(solved=1.0, shown=3)
    asked(few)
    assert [(one.group, one.weight) for one in few.demonstrate(groups)] == [(n % 3, 0.75) for n in range(4)]


def test_all_are_shown_equally_often() -> None:
    memory = opened(solved=0.5, shown=2)
    asked(memory)
    met = Counter()
    for step in range(1, 901):
        memory.record([], step=step)
        met.update((one.problem.id, one.logprobs) for one in memory.demonstrate([group([1.0])]))
    assert len(met) == 6
    assert all(250 < count < 350 for count in met.values()), met


def test_a_pool_of_many_problems_is_cut_by_the_seed() -> None:
    chosen = set()
    for seed in range(8):
        memory = BaseSamples(samples=4, problems=2, solved=0.0).open(PROBLEMS, seed=seed)
        assert isinstance(memory, DemonstratingMemory)
        chosen.add(tuple(request.tokens for request in asked(memory)[0].asked))
    assert all(len(each) == 2 for each in chosen)
    assert len(chosen) > 1


def test_state_restores_what_was_kept() -> None:
    whole = opened(solved=0.5)
    before = opened(solved=0.5)
    before.restore(json.loads(json.dumps(whole.state())))
    assert len(asked(before)[0].asked) == 3, "not asked yet"
    asked(whole)
    whole.record([], step=4)
    again = opened(solved=0.5)
    again.restore(json.loads(json.dumps(whole.state())))
    assert again.demonstrate([group([1.0])]) == whole.demonstrate([group([1.0])]) != ()
    assert asked(again)[0].asked == []
    assert again.state() == whole.state()


@pytest.mark.parametrize("settings", [{"samples": 0}, {"problems": 0}, {"shown": 0}, {"solved": 1.5}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ForageError):
        BaseSamples(**settings)

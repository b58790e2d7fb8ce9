"""Answers are counted by problem, past steps only, and the bonus reads what was counted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Memory, Tools
from forage.core.records import UNJUDGED, Group, Problem, SamplingParams, Score, Start
from forage.parts.memory import ShuffledProblems
from forage.parts.memory.answer_counts import AnswerCounts
from forage.parts.signals.visit_bonus import VisitBonus
from support.builders import problem, rollout
from support.coins import Coins
from support.worlds import World


@dataclass(frozen=True, kw_only=True)
class Letters(World):
    """The first letter is the answer; "-" is none."""

    name: ClassVar[str] = "letters"
    worth: tuple[tuple[str, float], ...] = ()

    def answer(self, problem: Problem, text: str) -> str | None:
        return None if text == "-" else text[0]


TASK = Letters()


def group(texts: Sequence[str], right: str = "", *, name: str = "p") -> Group:
    """Siblings that say `texts`; those in `right` are right and "?" was not judged."""
    start = Start(problem(name))
    members = tuple(replace(rollout(start, (5, 6)), text=text) for text in texts)
    scores = tuple(UNJUDGED if text == "?" else Score(float(text in right)) for text in texts)
    return Group(start, members, scores)


def look(memory: Memory, *groups: Group) -> float:
    tools = Coins().tools
    return memory.observe(groups, TASK, tools, SamplingParams(), step=1, seed=0)["new_answers"]


def test_what_is_counted() -> None:
    memory = AnswerCounts().open([problem()], seed=0)
    assert look(memory, group("aab-?"), group("a", name="q")) == 1.0, "all are new before the step that gives them"
    assert [memory.visits("p", one) for one in "ab-?c"] == [2, 1, 0, 0, 0]
    assert [memory.visits(name, "a") for name in "pqr"] == [2, 1, 0]
    assert look(memory, group(["abc", "c"])) == 0.5
    assert [memory.visits("p", one) for one in "abc"] == [3, 1, 1]


def test_a_plain_memory_has_met_nothing() -> None:
    assert ShuffledProblems().open([problem()], seed=0).visits("p", "a") == 0


def test_state_restores_everything_and_starts_are_those_of_fresh_problems() -> None:
    problems = [problem(str(number)) for number in range(5)]
    memory, again, fresh = (
        config.open(problems, seed=2) for config in (AnswerCounts(), AnswerCounts(), ShuffledProblems())
    )
    for step in range(1, 5):
        assert memory.draw(3, step=step) == fresh.draw(3, step=step)
        look(memory, group("ab"))
    again.restore(json.loads(json.dumps(memory.state())))
    assert again.state() == memory.state()
    assert again.draw(3, step=5) == memory.draw(3, step=5)
    before = memory.state()
    look(memory, group("a"))
    assert before == again.state(), "a state that was taken does not change with the memory"


def bonuses(signal: VisitBonus, memory: Memory, *groups: Group, seed: int = 0) -> list[float]:
    tools: Tools = replace(Coins().tools, visits=memory.visits)
    batch = collate(groups, lambda _: (1,))
    values = signal(groups, batch, tools, seed=seed)
    assert (values[~batch.loss_mask] == 0).all()
    assert torch.equal(values[:, 1], values[:, 2])
    return values[:, 1].tolist()


def test_the_bonus_reads_past_visits() -> None:
    memory = AnswerCounts().open([problem()], seed=0)
    look(memory, group("aaaab"))
    mixed, all_right, other = group("abcd-?", "b"), group("ab", "ab"), group("a", name="q")
    assert bonuses(VisitBonus(task=TASK), memory, mixed) == [0, 0.5, 0.5, 0.5, 0, 0]
    assert bonuses(VisitBonus(task=TASK), memory, all_right, other) == [0, 0, 0.5]
    assert bonuses(VisitBonus(task=TASK, gate=False), memory, all_right) == [0, 0.5]
    assert bonuses(VisitBonus(task=TASK, rule="mean"), memory, group("ab")) == [-0.5, 0.5]
    assert bonuses(VisitBonus(key="text"), memory, group(["abc"])) == [0.5]


def test_the_placebo_deals_the_same_numbers() -> None:
    memory = AnswerCounts().open([problem()], seed=0)
    look(memory, group("aaaa" + "b" * 9))
    groups = group("abc"), group("aab", name="q")
    real = bonuses(VisitBonus(task=TASK), memory, *groups)
    dealt = [bonuses(VisitBonus(task=TASK, permuted=True), memory, *groups, seed=seed) for seed in range(9)]
    assert all(sorted(one) == sorted(real) for one in dealt)
    assert any(one != real for one in dealt)


def test_wrong_settings_are_sentences() -> None:
    with pytest.raises(ForageError, match="distinguished by"):
        AnswerCounts(key="meaning")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="give `task`"):
        VisitBonus()
    with pytest.raises(ForageError, match="constant"):
        VisitBonus(task=TASK, constant=2.0)

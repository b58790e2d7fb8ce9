"""One exemplar of every verified mode: what is kept, what is shown with which weight, and what its controls change."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from forage.core.demonstrations import DemonstratingMemory
from forage.core.errors import ForageError
from forage.core.protocols import SamplingParams, Task, Tools
from forage.core.records import Group, Origin, Problem, Score, Start
from forage.grams.ways import GramClusters
from forage.parts.memory import VerifiedModes
from forage.parts.memory.shuffled import ShuffledProblems
from support.builders import problem, rollout
from support.worlds import EASY

PROBLEMS = [problem(name) for name in "abc"]
NO_TOOLS = Tools(*[None] * 3)  # pyright: ignore[reportArgumentType]  (nothing here asks them)


def opened(seed: int = 0, **settings: Any) -> DemonstratingMemory:
    memory = VerifiedModes(**settings).open(PROBLEMS, seed=seed)
    assert isinstance(memory, DemonstratingMemory)
    return memory


def met(which: Problem, *found: tuple[Sequence[int], str | None], prefix: tuple[int, ...] = ()) -> Group:
    """Siblings with these tokens and modes; one without a mode is wrong."""
    start = Start(which, prefix, Origin.REPLAY if prefix else Origin.POLICY)
    scores = (Score(float(mode is not None), {"correct": float(mode is not None)}, mode=mode) for _, mode in found)
    return Group(start, tuple(rollout(start, tokens) for tokens, _ in found), tuple(scores))


def shown(memory: DemonstratingMemory, *which: Problem) -> list[tuple[str, int, tuple[int, ...], float]]:
    groups = [met(one, ((9,), None)) for one in which]
    return [(d.problem.id, d.group, d.tokens, d.weight) for d in memory.demonstrate(groups)]


A, B, C = PROBLEMS


def test_the_smallest_first_response_of_a_mode_is_kept_and_never_replaced() -> None:
    memory = opened()
    memory.record([met(A, ((6, 7), "x"), ((5, 9), "x"), ((8,), "y"), ((1,), None))], step=1)
    memory.record([met(A, ((2,), "x"), ((3,), "z"))], step=2)
    third = pytest.approx(1 / 3)
    assert shown(memory, A) == [("a", 0, (5, 9), third), ("a", 0, (8,), third), ("a", 0, (3,), third)]


def test_shares_by_tokens_are_those_of_the_lengths() -> None:
    memory = opened(shares="tokens")
    memory.record([met(A, ((6, 7, 8), "x"), ((5,), "y"), ((4,), "y"))], step=1)
    assert shown(memory, A) == [("a", 0, (4,), 0.25), ("a", 0, (6, 7, 8), 0.75)]


def test_ways_by_grams_are_met_again_under_the_name_of_their_exemplar() -> None:
    """Texts are the tokens in words. (5 6 7 8) and (5 6 7 9) share 3 of 7 pairs and (1 2 3 4) none with either."""
    memory = opened(key=GramClusters(alike=0.4))
    memory.record([met(A, ((5, 6, 7, 8), "x"), ((1, 2, 3, 4), "x"))], step=1)
    memory.record([met(A, ((5, 6, 7, 9), "x"), ((1, 2, 3, 4), "x"))], step=2)
    assert sorted(tokens for _, _, tokens, _ in shown(memory, A)) == [(1, 2, 3, 4), (5, 6, 7, 8)]
    assert memory.state()["bank"]["a"] == [["1 2 3 4", [1, 2, 3, 4], 2], ["5 6 7 8", [5, 6, 7, 8], 2]]
    finer = opened(key=GramClusters(alike=0.5))
    finer.record([met(A, ((5, 6, 7, 8), "x"), ((5, 6, 7, 9), "x"))], step=1)
    assert len(shown(finer, A)) == 2


def test_a_group_is_shown_what_its_own_problem_has_before_the_step_is_recorded() -> None:
    memory = opened()
    assert shown(memory, A, B) == []
    memory.record([met(B, ((6,), "x"))], step=1)
    assert shown(memory, A, B, B) == [("b", 1, (6,), 1.0), ("b", 2, (6,), 1.0)]


def test_a_replayed_prefix_belongs_to_the_response() -> None:
    memory = opened()
    memory.record([met(A, ((6,), "x"), prefix=(3, 4))], step=1)
    assert shown(memory, A) == [("a", 0, (3, 4, 6), 1.0)]


def test_slots_are_never_freed_and_counts_go_on() -> None:
    memory = opened(slots=2, shares="frequency")
    memory.record([met(A, ((8,), "z"), ((7,), "y"), ((6,), "x"), ((6,), "x"))], step=1)
    assert shown(memory, A) == [("a", 0, (6,), pytest.approx(2 / 3)), ("a", 0, (7,), pytest.approx(1 / 3))]
    memory.record([met(A, ((7,), "y"), ((1,), "y"), ((8,), "z"))], step=2)
    assert shown(memory, A) == [("a", 0, (6,), pytest.approx(2 / 5)), ("a", 0, (7,), pytest.approx(3 / 5))]


def test_a_single_slot_keeps_the_first_mode() -> None:
    memory = opened(slots=1)
    memory.record([met(A, ((8,), "z"))], step=1)
    memory.record([met(A, ((2,), "x"))], step=2)
    assert shown(memory, A) == [("a", 0, (8,), 1.0)]


def test_others_are_as_many_with_the_same_weights_and_none_is_the_problems_own() -> None:
    memory = opened(others=True)
    memory.record([met(A, ((6,), "x"), ((7,), "y"))], step=1)
    assert shown(memory, A) == [], "nobody else has one"
    memory.record([met(B, ((8,), "x"), ((9,), "y")), met(C, ((10,), "x"))], step=2)
    drawn = set()
    for step in range(3, 30):
        memory.record([], step=step)
        found = shown(memory, A)
        assert [(name, number, weight) for name, number, _, weight in found] == [("a", 0, 0.5)] * 2
        drawn.add(frozenset(tokens for _, _, tokens, _ in found))
        assert shown(memory, A) == found, "asking changes nothing"
    assert drawn == {frozenset({(8,), (9,)}), frozenset({(8,), (10,)}), frozenset({(9,), (10,)})}


def test_modes_may_be_texts_or_answers() -> None:
    memory = opened(key="text")
    memory.record([met(A, ((6, 7), "x"), ((7, 6), "x"))], step=1)
    assert [tokens for _, _, tokens, _ in shown(memory, A)] == [(6, 7), (7, 6)]

    class Answering(type(EASY)):
        def answer(self, problem: Problem, text: str) -> str | None:
            return None if text == "7" else "same"

    memory = opened(key="answer", task=Answering(worth=EASY.worth))
    memory.record([met(A, ((6,), "x"), ((7,), "y"), ((8,), "z"))], step=1)
    assert [tokens for _, _, tokens, _ in shown(memory, A)] == [(6,)]


def test_starts_are_those_of_the_memory_inside() -> None:
    plain, memory = ShuffledProblems().open(PROBLEMS, seed=3), opened(seed=3)
    for step in range(1, 6):
        assert memory.draw(2, step=step) == plain.draw(2, step=step)
        memory.record([met(A, ((6,), "x"))], step=step)
        plain.record([], step=step)


def test_metrics_say_how_many_modes_are_kept() -> None:
    memory = opened()

    def metrics() -> dict[str, float]:
        return dict(memory.observe([], _no_task(), NO_TOOLS, SamplingParams(), step=1, seed=0))

    assert metrics() == {"exemplars": 0, "exemplar_problems": 0, "exemplars_per_problem": 0}
    memory.record([met(A, ((6,), "x"), ((7,), "y")), met(B, ((6,), "x")), met(C, ((6,), None))], step=1)
    assert metrics() == {"exemplars": 3, "exemplar_problems": 2, "exemplars_per_problem": 1.5}


def _no_task() -> Task:
    return EASY


@pytest.mark.parametrize("settings", [{}, {"shares": "frequency"}, {"others": True}, {"slots": 1}])
def test_state_restores_everything_bit_for_bit(settings: dict[str, Any]) -> None:
    def driven(memory: DemonstratingMemory, steps: range) -> list[Any]:
        seen = []
        for step in steps:
            starts = memory.draw(2, step=step)
            groups = [met(s.problem, ((step % 5,), str(step % 5)), ((step % 3, 7), str(step % 3))) for s in starts]
            seen.append((starts, shown(memory, *(s.problem for s in starts))))
            memory.record(groups, step=step)
        return [*seen, json.dumps(memory.state())]

    whole, parts = opened(seed=1, **settings), opened(seed=1, **settings)
    expected = driven(whole, range(1, 13))
    driven(parts, range(1, 7))
    again = opened(seed=1, **settings)
    again.restore(json.loads(json.dumps(parts.state())))
    assert driven(again, range(7, 13)) == expected[6:]
    assert any(found for _, found in expected[:-1])


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ForageError, match="slot"):
        VerifiedModes(slots=0)
    with pytest.raises(ForageError, match="often"):
        VerifiedModes(shares="often")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="answers"):
        VerifiedModes(key="answer")
    with pytest.raises(ForageError, match="around another"):
        VerifiedModes(inner=VerifiedModes()).open(PROBLEMS, seed=0)


def test_weights_of_a_problem_add_up_to_one() -> None:
    for shares in ("uniform", "frequency"):
        memory = opened(shares=shares)
        memory.record([met(A, *(((5 + n, 1), str(n % 7)) for n in range(20)))], step=1)
        assert math.fsum(weight for *_, weight in shown(memory, A)) == pytest.approx(1)

"""Guided prefixes: whom they help, with what, how long, and that the answer is never in them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Memory, Task
from forage.core.records import Group, Origin, Problem, SamplingParams, Score, Start
from forage.grams.ways import GramClusters
from forage.parts.memory import ShuffledProblems
from forage.parts.memory.prefix_guided import PrefixGuided
from support.builders import problem, rollout
from support.coins import Coins

PROBLEMS = [problem(f"p{number}") for number in (0, 1, 2, 5)]
SOLUTION = (4, 5, 6, 7, 8, 1, 3, 2)
"""The solution to a problem begins with its number; a 3 behind it is the answer."""


@dataclass(frozen=True, kw_only=True)
class Digits(Task):
    name: ClassVar[str] = "digits"
    knows: bool = True

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return PROBLEMS

    def verify(self, problem: Problem, text: str) -> Score:
        raise AssertionError("the coins judge")

    def answer(self, problem: Problem, text: str) -> str | None:
        return "3" if "3" in text else None

    def reference(self, problem: Problem) -> str | None:
        return "".join(map(str, solution(problem.id))) if self.knows else None


@dataclass
class Speaking(Coins):
    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(int, text))


def solution(name: str) -> tuple[int, ...]:
    return (int(name[1]), *SOLUTION)


def groups(starts: Sequence[Start], right: Sequence[str], *, helped: float = 0.5) -> list[Group]:
    """Two siblings: the first one is right on the problems in `right`; of guided ones, the share `helped` is right."""
    found = []
    for start in starts:
        tokens = solution(start.problem.id)
        success = int(2 * helped) if start.prefix else start.problem.id in right
        scores = tuple(Score(float(place < success)) for place in range(2))
        found.append(Group(start, (rollout(start, tokens), rollout(start, (9,))), scores))
    return found


def config(**settings: Any) -> PrefixGuided:
    return PrefixGuided(**{"limit": 12, "longest": 0.9, "levels": 9, **settings})


def live(
    memory: Memory, steps: range, *, right: Sequence[str] = (), helped: float = 0.5, coins: Coins | None = None
) -> list[tuple[Start, ...]]:
    seen = []
    for step in steps:
        starts = memory.draw(4, step=step)
        tried = groups(starts, right, helped=helped)
        judge = coins or Speaking(length=99)
        memory.observe(tried, Digits(), judge.tools, SamplingParams(), step=step, seed=0)
        memory.record(tried, step=step)
        seen.append(starts)
    return seen


def guided(seen: Sequence[Sequence[Start]]) -> list[Start]:
    return [start for starts in seen for start in starts if start.prefix]


def test_failed_problems_are_begun_and_solved_ones_are_not() -> None:
    memory = config(source="reference").open(PROBLEMS, seed=0)
    seen = live(memory, range(1, 20), right=("p0", "p1"))
    assert not guided(seen[:1])
    assert {start.problem.id for start in guided(seen)} == {"p2", "p5"}
    assert all(len(guided([starts])) == 2 for starts in seen[1:]), "one guided start to each unguided one"
    for start in guided(seen):
        assert start.origin is Origin.RIGHT
        assert solution(start.problem.id)[: len(start.prefix)] == start.prefix


def test_own_solutions_come_from_right_responses_only() -> None:
    memory = config().open(PROBLEMS, seed=0)
    assert not guided(live(memory, range(1, 8))), "no response was ever right, and nobody else is asked"
    live(memory, range(8, 9), right=("p1", "p2"))
    seen = live(memory, range(9, 20))
    assert {start.problem.id for start in guided(seen)} == {"p1", "p2"}


def test_the_prefix_grows_where_it_does_not_help_and_shrinks_where_it_is_not_needed() -> None:
    memory = config(source="reference", share=1.0).open(PROBLEMS[:1], seed=0)
    live(memory, range(1, 2))
    assert [len(start.prefix) for start in guided(live(memory, range(2, 6), helped=0.0))[::1]] == [1, 2, 3, 4]
    assert [len(start.prefix) for start in guided(live(memory, range(6, 9), helped=0.5))] == [5, 5, 5]
    assert [len(start.prefix) for start in guided(live(memory, range(9, 15), helped=1.0))] == [5, 4, 3, 2, 1, 1]


def test_the_answer_and_what_is_right_already_are_never_given_away() -> None:
    memory = config(source="reference", share=1.0).open(PROBLEMS[:1], seed=0)
    live(memory, range(1, 2))
    longest = max(len(start.prefix) for start in guided(live(memory, range(2, 30), helped=0.0)))
    assert solution("p0")[:longest] == (0, *SOLUTION[:6]), "the next token is the answer"
    # The coins call a text right from half of its length in heads (1): with length 1 the sixth token makes it so.
    memory = config(source="reference", share=1.0).open(PROBLEMS[:1], seed=0)
    coins = Speaking(length=1)
    live(memory, range(1, 2), coins=coins)
    longest = max(len(start.prefix) for start in guided(live(memory, range(2, 30), helped=0.0, coins=coins)))
    assert solution("p0")[:longest] == (0, *SOLUTION[:5])


def test_a_prefix_leaves_room_for_a_token() -> None:
    memory = config(source="reference", share=1.0, limit=4).open(PROBLEMS[:1], seed=0)
    live(memory, range(1, 2))
    assert max(len(start.prefix) for start in guided(live(memory, range(2, 20), helped=0.0))) == 3


def test_the_control_helps_with_another_problems_solution() -> None:
    real = live(config(source="reference").open(PROBLEMS, seed=0), range(1, 9), helped=0.0)
    other = live(config(source="reference", donor="other").open(PROBLEMS, seed=0), range(1, 9), helped=0.0)
    assert [len(start.prefix) for start in guided(real)] == [len(start.prefix) for start in guided(other)]
    assert all(start.prefix[0] != int(start.problem.id[1]) for start in guided(other))
    alone = config(source="reference", donor="other").open(PROBLEMS[:1], seed=0)
    assert not guided(live(alone, range(1, 9)))


def test_without_a_share_it_is_the_memory_of_fresh_problems() -> None:
    fresh = ShuffledProblems().open(PROBLEMS, seed=3)
    assert live(config(share=0.0).open(PROBLEMS, seed=3), range(1, 9)) == [fresh.draw(4, step=s) for s in range(1, 9)]


def test_state_restores_everything() -> None:
    for donor in ("same", "other"):
        whole, part, again = (config(source="both", donor=donor).open(PROBLEMS, seed=1) for _ in range(3))
        expected = live(whole, range(1, 13), right=("p1",), helped=0.0)
        live(part, range(1, 7), right=("p1",), helped=0.0)
        again.restore(json.loads(json.dumps(part.state())))
        assert again.state() == part.state()
        assert live(again, range(7, 13), right=("p1",), helped=0.0) == expected[6:]


def of_ways(steps: range, memory: Memory) -> list[Start]:
    """Two right siblings of one way and two of another one each step, in turn; a way is the first token."""
    seen = []
    for step in steps:
        starts = memory.draw(4, step=step)
        seen += guided([starts])
        tried = []
        for start in starts:
            behind = (6, 6, 7) if step % 2 else (6, 8, 9)
            rollouts = tuple(
                rollout(start, (*start.prefix, way, place, 2, 2, 2, 2)) for place, way in enumerate(behind)
            )
            scores = (*(Score(1.0, mode=str(way)) for way in behind[:2]), Score(0.0))
            tried.append(Group(start, rollouts, scores))
        memory.observe(tried, Digits(), Speaking(length=99).tools, SamplingParams(), step=step, seed=0)
        memory.record(tried, step=step)
    return seen


def test_one_solution_of_each_way_is_kept_and_every_way_is_begun_again() -> None:
    memory = config(ways="mode", hard=1.0, levels=2, longest=0.5).open(PROBLEMS, seed=0)
    of_ways(range(1, 13), memory)
    for kept in memory.state()["solutions"].values():
        assert [way for way, _, _ in kept] == ["6", "8"], "7 and 9 are wrong, and 6 is kept once"
        assert kept[0][1] == [6, 0, 2, 2, 2, 2], "the first right response of the way"
    begun = [start.prefix for start in of_ways(range(13, 50), memory)]
    assert set(begun) == {(6,), (8,)}
    assert 0.3 < begun.count((8,)) / len(begun) < 0.7, "as often as the other, whatever the policy does"
    limited = config(ways="mode", slots=1, hard=1.0).open(PROBLEMS, seed=0)
    of_ways(range(1, 9), limited)
    assert all(len(kept) == 1 for kept in limited.state()["solutions"].values())


def test_ways_are_restored_and_so_is_a_state_of_before_there_were_any() -> None:
    for ways in ("mode", GramClusters(words=1, alike=0.9)):
        whole, part, again = (config(ways=ways, hard=1.0).open(PROBLEMS, seed=1) for _ in range(3))
        expected = of_ways(range(1, 13), whole)
        of_ways(range(1, 7), part)
        again.restore(json.loads(json.dumps(part.state())))
        assert again.state() == part.state()
        rest = of_ways(range(7, 13), part)
        assert rest
        assert of_ways(range(7, 13), again) == rest == expected[-len(rest) :]
    whole, again = (config().open(PROBLEMS, seed=1) for _ in range(2))
    live(whole, range(1, 7), right=("p1",))
    state = whole.state()
    old = {name: kept[0][1:] for name, kept in state["solutions"].items()}
    assert old
    again.restore({**state, "solutions": old})
    assert again.state() == state


def test_success_without_help_is_told_apart() -> None:
    memory = config().open(PROBLEMS, seed=0)
    begun = Start(PROBLEMS[1], (1, 4), Origin.RIGHT)
    tried = groups([Start(PROBLEMS[0]), begun], (), helped=0.5)
    said = memory.observe(tried, Digits(), Speaking().tools, SamplingParams(), step=1, seed=0)
    assert {name: said[name] for name in ("guided_share", "guided_correct", "unguided_correct", "guided_tokens")} == {
        "guided_share": 0.5,
        "guided_correct": 0.5,
        "unguided_correct": 0.0,
        "guided_tokens": 2.0,
    }
    assert said["first_solved_replayed"] == 1
    graded = [replace(group, scores=(Score(0.5, graded=True),) * 2) for group in tried]
    with pytest.raises(ForageError, match="verdict"):
        memory.observe(graded, Digits(), Speaking().tools, SamplingParams(), step=2, seed=0)


def test_wrong_settings_are_sentences() -> None:
    for wrong in ({"share": 2.0}, {"longest": 1.0}, {"levels": 0}, {"hard": -0.1}):
        with pytest.raises(ForageError, match="Guided prefixes"):
            config(**wrong)
    for wrong in ({"source": "web"}, {"donor": "any"}):
        with pytest.raises(ForageError, match="Solutions"):
            config(**wrong)
    for wrong in ({"ways": "mode", "source": "both"}, {"ways": "mode", "donor": "other"}):
        with pytest.raises(ForageError, match="the policy's own"):
            config(**wrong)
    with pytest.raises(ForageError, match="slot"):
        config(slots=0)

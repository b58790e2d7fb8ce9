"""Earlier successes: what is kept, which problems come again, what is shown and with which weight."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from forage.core.demonstrations import DemonstratingMemory, Demonstration
from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Group, Problem, Score, Start
from forage.parts.memory import SuccessReplay
from support.builders import problem, rollout

PROBLEMS = [problem(name) for name in "abcdefgh"]
A, B, C, *_ = PROBLEMS
EXGRPO = SuccessReplay(replays=1, choice="entropy", share=0.5)


def opened(config: SuccessReplay, seed: int = 0) -> DemonstratingMemory:
    memory = config.open(PROBLEMS, seed=seed)
    assert isinstance(memory, DemonstratingMemory)
    return memory


def met(which: Problem, right: Sequence[Sequence[int]], wrong: int = 0, *, unjudged: int = 0) -> Group:
    start = Start(which)
    tokens = [*right, *[(1,)] * (wrong + unjudged)]
    scores = [*[Score(1.0)] * len(right), *[Score(0.0)] * wrong, *[UNJUDGED] * unjudged]
    return Group(start, tuple(rollout(start, one) for one in tokens), tuple(scores))


def shown(memory: DemonstratingMemory, *groups: Group) -> list[tuple[str, int, tuple[int, ...], float]]:
    return [(d.problem.id, d.group, d.tokens, d.weight) for d in memory.demonstrate(groups)]


def test_a_success_has_the_advantage_and_the_share_of_one_more_sibling() -> None:
    memory = opened(SuccessReplay(replays=2))
    memory.record([met(A, [(6,), (7,)], wrong=1)], step=1)
    # Three siblings, one right, one unjudged: the mean of 1, 0 and two replayed ones is 3/4, of five siblings.
    found = memory.demonstrate([met(B, [], wrong=2), met(A, [(9,)], wrong=1, unjudged=1)])
    assert {(d.group, d.tokens) for d in found} == {(1, (6,)), (1, (7,))}
    assert [d.weight for d in found] == [pytest.approx(0.25 / 5)] * 2
    assert [d.logprobs for d in found] == [(-0.1,)] * 2, "of the policy that wrote them"
    assert shown(memory, met(A, [(9,), (8,)])) == [], "where all are right nothing is left to learn"
    std = opened(SuccessReplay(replays=2, scale="std"))
    std.record([met(A, [(6,), (7,)])], step=1)
    assert std.demonstrate([met(A, [(9,)], wrong=1)])[0].weight == pytest.approx(0.25 / 0.5 / 4, rel=1e-5)


def test_only_what_there_is_is_shown() -> None:
    memory = opened(SuccessReplay(replays=3))
    memory.record([met(A, [(6,), (6,)], wrong=2)], step=1)
    assert shown(memory, met(A, [], wrong=3)) == [("a", 0, (6,), pytest.approx(0.75 / 4))]


def test_the_newest_successes_are_kept_and_none_twice() -> None:
    memory = opened(SuccessReplay(replays=9, slots=2))
    for step, tokens in enumerate([(6,), (7,), (6,), (8,)], 1):
        memory.record([met(A, [tokens], wrong=1)], step=step)
    assert {tokens for _, _, tokens, _ in shown(memory, met(A, [], wrong=2))} == {(7,), (8,)}


def test_the_surest_success_is_chosen() -> None:
    """The entropies of the builders rise along a response: the shortest has the lowest mean."""
    memory = opened(replace(EXGRPO, share=0.0))
    memory.record([met(A, [(6, 7, 8), (9,), (5, 4)], wrong=1)], step=1)
    assert [tokens for _, _, tokens, _ in shown(memory, met(A, [], wrong=2))] == [(9,)]


def again(memory: DemonstratingMemory, step: int, count: int = 4) -> set[str]:
    """The problems of the starts that are shown something."""
    starts = memory.draw(count, step=step)
    assert len(starts) == count
    return {d.problem.id for d in memory.demonstrate([met(start.problem, [], wrong=2) for start in starts])}


def test_problems_come_again_once_a_step_was_right_often_enough() -> None:
    memory = opened(EXGRPO)
    memory.record([met(A, [(6,)], wrong=7), met(B, [(6,)], wrong=7), met(C, [(6,)], wrong=7)], step=1)
    assert again(memory, 2) == set(), "an eighth was right"
    memory.record([met(A, [(7,), (8,)], wrong=2)], step=2)
    for step in range(3, 9):
        assert 1 <= len(again(memory, step)) <= 2
        memory.record([met(B, [], wrong=8)], step=step)


def test_groups_that_were_not_drawn_for_it_are_shown_nothing() -> None:
    memory = opened(EXGRPO)
    memory.record([met(one, [(6,), (7,)], wrong=2) for one in PROBLEMS], step=1)
    for step in range(2, 8):
        starts = memory.draw(4, step=step)
        assert len({start.problem.id for start in starts}) == 4
        found = memory.demonstrate([met(start.problem, [], wrong=2) for start in starts])
        assert [d.group for d in found] == [2, 3]


def test_problems_that_are_half_right_come_first() -> None:
    """Last right 4, 6 and 7 of 8: levels weigh 1, exp(-2) and exp(-4.5)."""
    memory = opened(replace(EXGRPO, share=0.25))
    levels = {"a": 4, "b": 6, "c": 7}
    memory.record(
        [met(one, [(5 + n,) for n in range(levels[one.id])], wrong=8 - levels[one.id]) for one in (A, B, C)], step=1
    )
    drawn = Counter()
    for step in range(2, 1202):
        drawn.update(start.problem.id for start in memory.draw(4, step=step)[3:])
    total = drawn["a"] + drawn["b"] + drawn["c"]
    assert total > 1000
    # The fresh three of eight problems are not drawn again, so the shares are those of the ones that are left.
    assert drawn["a"] > 2 * drawn["b"] > 4 * drawn["c"] > 0
    even = opened(replace(EXGRPO, share=0.25, anywhere=True))
    even.restore(memory.state())
    drawn = Counter(start.problem.id for step in range(2, 1202) for start in even.draw(4, step=step)[3:])
    assert drawn["a"] == pytest.approx(drawn["c"], rel=0.2)


def test_what_was_all_right_leaves_for_good() -> None:
    memory = opened(replace(EXGRPO, share=1.0))
    memory.record([met(A, [(6,)], wrong=1), met(B, [(6,)], wrong=1)], step=1)
    memory.record([met(A, [(7,), (8,)])], step=2)
    memory.record([met(A, [(7,)], wrong=1)], step=3)
    assert again(memory, 4) == {"b"}
    kept = opened(SuccessReplay())
    kept.record([met(A, [(7,), (8,)])], step=1)
    assert shown(kept, met(A, [], wrong=1)), "RLEP keeps them"


def test_anywhere_shows_as_many_of_all_problems_with_their_own_prompts() -> None:
    memory = opened(SuccessReplay(replays=1, anywhere=True))
    memory.record([met(A, [(6,)], wrong=1), met(B, [(7,)], wrong=1), met(C, [(8,)], wrong=1)], step=1)
    seen = set()
    for step in range(2, 30):
        (one,) = shown(memory, met(A, [], wrong=1))
        seen.add(one)
        memory.record([], step=step)
    assert seen == {(name, 0, (token,), 0.25) for name, token in zip("abc", (6, 7, 8), strict=True)}


@pytest.mark.parametrize("config", [SuccessReplay(slots=3), EXGRPO, replace(EXGRPO, anywhere=True)], ids=repr)
def test_state_restores_everything_bit_for_bit(config: SuccessReplay) -> None:
    def driven(memory: DemonstratingMemory, steps: range) -> list[Any]:
        seen: list[Any] = []
        for step in steps:
            starts = memory.draw(4, step=step)
            groups = [
                met(s.problem, [(step % 5, n) for n in range(1 + (step + place) % 3)], wrong=(step + place) % 2 + 1)
                for place, s in enumerate(starts)
            ]
            found: tuple[Demonstration, ...] = memory.demonstrate(groups)
            seen.append((starts, found))
            memory.record(groups, step=step)
        return [*seen, json.dumps(memory.state())]

    whole, parts = opened(config, 1), opened(config, 1)
    expected = driven(whole, range(1, 13))
    driven(parts, range(1, 7))
    resumed = opened(config, 1)
    resumed.restore(json.loads(json.dumps(parts.state())))
    assert driven(resumed, range(7, 13)) == expected[6:]
    assert any(found for _, found in expected[6:-1])


@pytest.mark.parametrize("settings", [{"replays": 0}, {"slots": 0}, {"share": 1.5}, {"begin": -1}, {"choice": "best"}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ForageError):
        SuccessReplay(**settings)

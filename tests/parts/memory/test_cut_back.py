"""Restart and explore: what is cut off, what comes back, and that it resumes."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Memory
from forage.core.records import UNJUDGED, Group, Origin, SamplingParams, Score, Start
from forage.parts.memory import CutBack, ShuffledProblems
from forage.parts.memory.cut_back import StoredTrace, cut_back, tokens_of
from support.builders import problem, rollout
from support.coins import Coins

PROBLEMS = [problem(f"p{number}") for number in range(4)]
TRACE = StoredTrace((1, 2, 3, 4, 5), (2, 3, 5))
REFLECT = 7


@dataclass
class Speaking(Coins):
    """Says "wait" with token 7, after a token that says nothing."""

    def encode(self, text: str) -> tuple[int, ...]:
        return (9, REFLECT) if text == "wait" else (9,)

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        return tuple({9: "", 0: "", REFLECT: "wait"}.get(token, str(token)) for token in tokens)

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(self.pieces(tokens))


def test_cutting_by_hand() -> None:
    assert cut_back(TRACE, 0, (7, 8), 9) == (1, 2, 3, 4, 5, 7, 8)
    assert cut_back(TRACE, 1, (7,), 9) == (1, 2, 3, 7)
    assert cut_back(TRACE, 2, (7,), 9) == (1, 2, 7)
    assert cut_back(TRACE, 3, (7,), 9) == ()
    assert cut_back(TRACE, 9, (7,), 9) == ()
    assert cut_back(TRACE, 0, (7,), 4) == (1, 2, 3, 7), "more steps go where the response would get too long"
    assert cut_back(TRACE, 0, (7,), 2) == ()


def config(**settings: Any) -> CutBack:
    return CutBack(**{"reflect": "wait", "limit": 12, "share": 0.5, "drop": 1, "room": 4, **settings})


def groups(starts: Sequence[Start]) -> list[Group]:
    """One right response 1 2 | 3 <end>, one wrong one 4 | 5 (not ended), one that was not judged."""

    def one(start: Start) -> Group:
        members = (
            rollout(start, (1, 2, 3, 0), steps=(2, 4)),
            rollout(start, (4, 5), steps=(1, 2), stop="length"),
            rollout(start, (6,)),
        )
        return Group(start, members, (Score(1.0), Score(0.0), UNJUDGED))

    return [one(start) for start in starts]


def go(memory: Memory, steps: range, count: int = 8) -> list[tuple[Start, ...]]:
    seen = []
    for step in steps:
        starts = memory.draw(count, step=step)
        found = groups(starts)
        memory.observe(found, None, Speaking().tools, SamplingParams(), step=step, seed=0)  # pyright: ignore[reportArgumentType]
        memory.record(found, step=step)
        seen.append(starts)
    return seen


def test_right_and_wrong_come_back_cut_with_the_reflect_tokens() -> None:
    seen = go(config().open(PROBLEMS, seed=0), range(1, 40))
    assert all(start.origin is Origin.POLICY for start in seen[0])
    allowed = {Origin.RIGHT: {(1, 2, 3, 7), (1, 2, 7)}, Origin.WRONG: {(4, 5, 7), (4, 7)}}
    met = {origin: set() for origin in allowed}
    for starts in seen[1:]:
        assert len(starts) == 8
        assert Counter(start.origin for start in starts) == {Origin.POLICY: 4, Origin.RIGHT: 2, Origin.WRONG: 2}
        assert len({start.key for start in starts if start.prefix}) == 4
        for start in starts:
            if start.prefix:
                met[start.origin].add(start.prefix)
    assert met == allowed


def test_what_has_too_few_steps_starts_anew() -> None:
    seen = go(config(drop=9).open(PROBLEMS, seed=0), range(1, 40))
    bare = [start for starts in seen[1:] for start in starts if start.origin is Origin.POLICY]
    assert all(start.prefix == () for start in bare)
    assert len(bare) > 4 * 38


def test_without_a_share_it_is_the_memory_of_fresh_problems() -> None:
    fresh = ShuffledProblems().open(PROBLEMS, seed=3)
    assert go(config(share=0.0).open(PROBLEMS, seed=3), range(1, 9)) == [fresh.draw(8, step=s) for s in range(1, 9)]


def test_state_restores_everything() -> None:
    whole, part, again = (config().open(PROBLEMS, seed=1) for _ in range(3))
    expected = go(whole, range(1, 13))
    go(part, range(1, 7))
    again.restore(json.loads(json.dumps(part.state())))
    assert again.state() == part.state()
    assert go(again, range(7, 13)) == expected[6:]


def test_the_reflect_text_is_said_exactly_or_refused() -> None:
    assert tokens_of("wait", Speaking()) == (REFLECT,)
    with pytest.raises(ForageError, match="cannot say"):
        tokens_of("hmm", Speaking())


def test_how_cut_back_starts_ended_is_told() -> None:
    memory = config().open(PROBLEMS, seed=0)
    starts = [Start(PROBLEMS[0]), Start(PROBLEMS[0], (4, 7), Origin.WRONG)]
    told = memory.observe(groups(starts), None, Speaking().tools, SamplingParams(), step=1, seed=0)  # pyright: ignore[reportArgumentType]
    assert told["from_wrong_correct"] == 0.5
    assert told["from_right_correct"] != told["from_right_correct"]


def test_a_text_that_ended_a_response_stays_whole() -> None:
    # Token 3 completed a stop text: it says something, so nothing is taken from the response. 0 is the end token.
    memory = config(drop=0).open(PROBLEMS[:1], seed=0)
    start = Start(PROBLEMS[0])
    for tokens, kept in (((1, 2, 3), (1, 2, 3)), ((1, 2, 0), (1, 2)), ((1, 2, 3), (1, 2, 3))):
        found = [Group(start, (rollout(start, tokens, steps=(1, 3)),), (Score(1.0),))]
        memory.observe(found, None, Speaking().tools, SamplingParams(), step=1, seed=0)  # pyright: ignore[reportArgumentType]
        memory.record(found, step=1)
        (again,) = [one for one in memory.draw(2, step=2) if one.origin is Origin.RIGHT]
        assert again.prefix == (*kept, REFLECT)


@pytest.mark.parametrize("settings", [{"reflect": " "}, {"share": 2}, {"drop": -1}, {"room": 13}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ForageError):
        config(**settings)

"""Replay where a graded reward has taken the verdict's place: high and low instead of right and wrong."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Memory, Reward
from forage.core.records import UNJUDGED, Group, Origin, Rollout, Score, Start
from forage.parts.memory import CutBack
from forage.parts.memory.outcomes import Scale, ended_well, usual_of, widened
from parts.memory.test_retrospective import PARAMS, PROBLEMS, RESPONSE, Tails, coins, config, entries, failed


@dataclass(frozen=True, kw_only=True)
class Liked(Reward):
    """A model's word instead of the verifier's: `gain` times the share of heads, plus `shift`."""

    gain: float = 1.0
    shift: float = 0.0

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        return tuple(self.score(rollout.start.prefix + rollout.tokens) for rollout in rollouts)

    def score(self, tokens: Sequence[int], correct: float = 0.0) -> Score:
        value = self.gain * sum(tokens) / 10 + self.shift
        return Score(value, {"correct": correct}, graded=True)


HIGH = (1, 1, 1, 1, 1, 1, 1, 1, 0, 1)


def judged(start: Start, *responses: tuple[int, ...], by: Liked, correct: float = 0.0) -> Group:
    group = failed(start, *responses)
    return replace(group, scores=tuple(by.score((*start.prefix, *each), correct) for each in responses))


def observe(memory: Memory, groups: Sequence[Group], by: Liked, step: int = 1, heads: float = 1.0) -> Any:
    tools = replace(coins(heads).tools, rewards=(by,))
    found = memory.observe(groups, Tails(), tools, PARAMS, step=step, seed=step)
    memory.record(groups, step=step)
    return found


def test_low_responses_are_looked_at_whatever_the_verifier_says() -> None:
    # Shares of heads .7 and .9, mean .8: the first is low. All heads from here, so its ends 11, 111 and 1111 are worth
    # 1, and 1 >= .8 + .1 * (.9 - .7).
    for correct in (0.0, 1.0):
        memory = config().open(PROBLEMS, seed=0)
        said = observe(memory, [judged(Start(PROBLEMS[0]), RESPONSE, HIGH, by=Liked(), correct=correct)], Liked())
        (kept,) = entries(memory)
        assert (kept["prefix"], kept["score"]) == ((1, 1), 1.0)
        assert (said["fresh_correct"], said["fresh_reward"]) == (correct, pytest.approx(0.8))
    memory = config(responses="right").open(PROBLEMS, seed=0)
    observe(memory, [judged(Start(PROBLEMS[0]), RESPONSE, HIGH, by=Liked())], Liked(), heads=0.5)
    assert all(tuple(kept["prefix"]) == HIGH[: len(kept["prefix"])] for kept in entries(memory))


def test_equal_rewards_have_neither_high_nor_low() -> None:
    memory = config(margin=-1).open(PROBLEMS, seed=0)
    observe(memory, [judged(Start(PROBLEMS[0]), RESPONSE, RESPONSE, RESPONSE, by=Liked(gain=0.1))], Liked(gain=0.1))
    assert not entries(memory)


def driven(by: Liked) -> tuple[list[list[Start]], list[dict[str, Any]]]:
    """Ten steps in which responses to replayed starts end high, and to others as they come."""
    memory, drawn = config(rescore_every=4, tau=0.05).open(PROBLEMS, seed=3), []
    for step in range(1, 11):
        starts = memory.draw(4, step=step)
        drawn.append(list(starts))
        low = [(0, 1, 1, 0, 1, 1, step % 2, 1, 0, 0), (1, 0) * 5]
        groups = [judged(start, HIGH, RESPONSE, low[place % 2], by=by) for place, start in enumerate(starts)]
        observe(memory, groups, by, step, heads=0.8)
    return drawn, entries(memory)


def test_neither_the_scale_of_a_reward_nor_its_zero_matters() -> None:
    drawn, kept = driven(Liked())
    other_drawn, other = driven(Liked(gain=8.0, shift=-4.0))
    assert drawn == other_drawn
    assert any(start.origin is Origin.REPLAY for starts in drawn for start in starts)
    assert [(e["problem"], e["prefix"], e["tries"], e["successes"]) for e in kept] == [
        (e["problem"], e["prefix"], e["tries"], e["successes"]) for e in other
    ]
    assert [8 * e["score"] - 4 for e in kept] == pytest.approx([e["score"] for e in other])


def test_a_success_is_what_is_usual_from_the_beginning_or_more() -> None:
    memory = config().open(PROBLEMS[:1], seed=0)
    observe(memory, [judged(Start(PROBLEMS[0]), RESPONSE, HIGH, by=Liked())], Liked())  # usual: .8
    again = Start(PROBLEMS[0], (1, 1), Origin.REPLAY)
    group = judged(again, (1,) * 6, (1,) * 5 + (0,) * 3, (0,) * 8, by=Liked())  # .8, .7, .2
    said = observe(memory, [replace(group, scores=(*group.scores[:2], UNJUDGED))], Liked(), step=9)
    assert said["replay_reward"] == pytest.approx(0.75)
    assert [(one["tries"], one["successes"]) for one in entries(memory)] == [(1, 1)]
    restored = config().open(PROBLEMS[:1], seed=0)
    restored.restore(json.loads(json.dumps(memory.state())))
    assert restored.state() == memory.state()
    assert memory.state()["graded"] == {"low": 0.7, "high": 0.9}, "of fresh responses"


def test_scale_and_usual_by_hand() -> None:
    start, by = Start(PROBLEMS[0]), Liked(gain=10.0)
    group = judged(start, (1, 1, 0), (1, 0, 0), (1, 1, 1), by=by)  # 2, 1, 3
    assert usual_of(group) == 2.0
    assert [ended_well(score, 2.0) for score in group.scores] == [True, False, True]
    assert usual_of(replace(group, scores=(UNJUDGED,) * 3)) != usual_of(replace(group, scores=(UNJUDGED,) * 3))
    verdicts = replace(group, scores=(Score(0.2, {"correct": 1.0}), Score(0.9, {"correct": 0.0}), UNJUDGED))
    assert usual_of(verdicts) == 0.5
    assert [ended_well(score, 0.5) for score in verdicts.scores[:2]] == [True, False]
    assert widened(None, [verdicts]) is None
    scale = widened(Scale(2.5, 5.0), [group, verdicts])
    assert scale is not None
    assert (scale.low, scale.high) == (1.0, 5.0)
    assert (scale.unit, scale.standing(2.0), scale.standing(9.0)) == (4.0, 0.25, 1.0)
    assert Scale(3.0, 3.0).unit == 1.0
    assert Scale().standing(0.3) == 0.3


def test_cutting_back_right_and_wrong_responses_needs_a_verdict() -> None:
    memory = CutBack(reflect="1", limit=10, room=1).open(PROBLEMS, seed=0)
    with pytest.raises(ForageError, match="needs a verdict"):
        observe(memory, [judged(Start(PROBLEMS[0]), RESPONSE, by=Liked())], Liked())

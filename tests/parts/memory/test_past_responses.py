"""A memory of responses: scored before remembered, bounded, the same after a restart; the control deals its amounts."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Memory
from forage.core.records import UNJUDGED, Group, Problem, Score, Start
from forage.core.serialize import decode_part, encode_part
from forage.grams.mining.embedding import TfIdf
from forage.methods import apply, grpo, i_mentor, memory_r, memory_r_shuffled
from forage.parts.memory.past_responses import PastResponses
from forage.tasks.countdown import Countdown
from forage.training.recipe import Recipe
from support.builders import problem, rollout

PROBLEMS = [problem("a", "how many apples"), problem("b", "how many pears"), problem("c", "who wrote this")]
SOON = PastResponses(warmup=0)


def group(where: Problem, told: Sequence[tuple[str, float]]) -> Group:
    """Siblings by text and value; NaN was not judged."""
    start = Start(where)
    members = tuple(replace(rollout(start, (5 + i, 6)), text=text) for i, (text, _) in enumerate(told))
    scores = tuple(UNJUDGED if math.isnan(value) else Score(value, {"correct": value}) for _, value in told)
    return Group(start, members, scores)


def opened(config: PastResponses = SOON) -> Memory:
    return config.open(PROBLEMS, seed=3)


def parts(groups: Sequence[Group], name: str) -> list[float]:
    return [score.parts.get(name, math.nan) for each in groups for score in each.scores]


FIRST = group(PROBLEMS[0], [("three red apples", 1), ("no apples at all", 0), ("", math.nan)])
AGAIN = group(PROBLEMS[0], [("three red apples", 1), ("no apples at all", 0), ("green frogs sing", 0)])


def test_an_empty_store_is_neutral_and_a_response_does_not_meet_itself() -> None:
    memory = opened()
    memory.marked([FIRST], step=1)
    for marked in memory.marked([FIRST], step=1):  # looking remembers nothing
        assert [score.value for score in marked.scores[:2]] == [1, 0]
        assert [score.parts["memory_reward"] for score in marked.scores[:2]] == [0, 0]
        assert math.isnan(marked.scores[2].value)
    memory.record(memory.marked([FIRST], step=1), step=1)
    (marked,) = memory.marked([AGAIN], step=2)
    right, wrong, new = marked.scores
    assert (right.parts["memory_likeness"], wrong.parts["memory_novelty"]) == pytest.approx((0, 0), abs=1e-6)
    assert wrong.parts["memory_novelty"] < right.parts["memory_novelty"]
    assert new.parts["memory_novelty"] > 0.9
    # The right one is as like to successes as can be; the repeated failure gets nothing for being new.
    assert right.parts["memory_reward"] == pytest.approx(
        1 + right.parts["memory_novelty"] / new.parts["memory_novelty"]
    )
    assert wrong.parts["memory_reward"] < 1
    for before, after in zip(AGAIN.scores, marked.scores, strict=True):
        assert after.correct == before.correct
        assert after.value == pytest.approx(before.value + after.parts["memory_reward"])
        assert 0 <= after.parts["memory_reward"] <= 2


def test_a_repeated_failure_explores_nothing_and_the_bare_values_are_the_formulas() -> None:
    memory = opened(replace(SOON, exploit=0.0, explore=0.5))
    memory.record([FIRST], step=1)
    (marked,) = memory.marked([AGAIN], step=2)
    assert parts([marked], "memory_reward") == pytest.approx(
        [0.5 * (each / max(parts([marked], "memory_novelty"))) for each in parts([marked], "memory_novelty")], abs=1e-6
    )
    assert marked.scores[1].parts["memory_reward"] == pytest.approx(0, abs=1e-6)
    right, wrong, new = (TfIdf()([rollout.text], corpus=())[0].astype(float) for rollout in AGAIN.rollouts)
    assert parts([marked], "memory_novelty") == pytest.approx([1 - right @ wrong, 0, 1 - new @ wrong], abs=1e-6)
    distance = [sum((each - right) ** 2) ** 0.5 for each in (right, wrong, new)]
    assert parts([marked], "memory_likeness") == pytest.approx([-each for each in distance], abs=1e-6)


def test_exploration_waits_for_the_warm_up() -> None:
    memory = opened(PastResponses(warmup=4))
    memory.record([FIRST], step=1)
    assert all(map(math.isnan, parts(memory.marked([AGAIN], step=4), "memory_novelty")))
    assert not any(map(math.isnan, parts(memory.marked([AGAIN], step=5), "memory_novelty")))


def test_similar_questions_lend_theirs_and_the_own_one_comes_first() -> None:
    other = group(PROBLEMS[1], [("three red apples", 0), ("something else", 0)])
    far = group(PROBLEMS[2], [("three red apples", 0), ("something else", 0)])
    one, two = opened(), opened(replace(SOON, neighbors=2))
    for memory in (one, two):
        memory.record([group(PROBLEMS[2], [("nobody knows", 0)]), FIRST], step=1)
    borrowed = parts(one.marked([other], step=2), "memory_likeness")
    assert borrowed[0] == pytest.approx(0, abs=1e-6), "of the most similar question, about apples"
    assert parts(one.marked([far], step=2), "memory_novelty")[0] == pytest.approx(
        float(1 - TfIdf()(["three red apples"], corpus=())[0] @ TfIdf()(["nobody knows"], corpus=())[0]), abs=1e-6
    )
    nearer = parts(two.marked([far], step=2), "memory_novelty")
    assert nearer[0] < parts(one.marked([far], step=2), "memory_novelty")[0], "two neighbors: apples too"


def test_bounds_of_what_is_kept() -> None:
    memory = opened(PastResponses(slots=2, questions=2, window=3, warmup=0))
    for step in range(1, 6):
        for where in PROBLEMS:
            marked = memory.marked([group(where, [(f"try {step}", 0), (f"told {step}", 1)])], step=step)
            memory.record(marked, step=step)
    state = memory.state()
    for side, word in (("right", "told"), ("wrong", "try")):
        assert [name for name, _ in state[side]] == [PROBLEMS[1].question, PROBLEMS[2].question]
        assert all(texts == [f"{word} 4", f"{word} 5"][-len(texts) :] for _, texts in state[side])
    assert [len(values) for values in state["earlier"].values()] == [3, 3]
    memory = opened(PastResponses(window=30, warmup=0))
    for step in range(1, 12):
        memory.record(memory.marked([AGAIN], step=step), step=step)
    assert [len(values) for values in memory.state()["earlier"].values()] == [30, 30], "a window that fills is kept"
    assert len(memory.state()["right"][0][1]) == 11


@pytest.mark.parametrize("config", [SOON, replace(SOON, permuted=True, neighbors=2, window=5)])
def test_a_restored_memory_goes_on_to_the_same_bits(config: PastResponses) -> None:
    def lived(memory: Memory, steps: range) -> list[Any]:
        seen = []
        for step in steps:
            starts = memory.draw(2, step=step)
            told = [group(start.problem, [(f"we try {step}", 0), ("no", 0), (f"yes {step}", 1)]) for start in starts]
            marked = memory.marked(told, step=step)
            memory.record(marked, step=step)
            seen += [[start.problem.id for start in starts], *[dict(s.parts) for each in marked for s in each.scores]]
        return seen

    whole = opened(config)
    lived(whole, range(1, 5))
    copy = opened(config)
    copy.restore(json.loads(json.dumps(whole.state(), sort_keys=True)))
    assert str(lived(whole, range(5, 9))) == str(lived(copy, range(5, 9)))


def test_the_control_deals_the_same_amounts_among_siblings_of_one_side() -> None:
    real, control = opened(), opened(replace(SOON, permuted=True))
    dealt = set()
    for version in range(6):
        told = [("red apples", 0), ("no apples", 0), ("frogs sing", 0), ("three red", 1), ("three apples", 1)]
        asked = group(PROBLEMS[0], told)
        asked = replace(asked, rollouts=tuple(replace(each, version=version) for each in asked.rollouts))
        amounts = []
        for memory in (real, control):
            memory.restore(opened().state())
            memory.record([FIRST], step=1)
            amounts.append(parts(memory.marked([asked], step=2), "memory_reward"))
        for side in (slice(0, 3), slice(3, 5)):
            assert sorted(amounts[0][side]) == sorted(amounts[1][side])
        dealt.add(tuple(amounts[1]))
    assert len(dealt) > 1


def test_methods_and_what_they_refuse() -> None:
    recipe = Recipe(name="toy", model="none", task=Countdown(size="demo"))
    made = apply(recipe, [grpo(), memory_r(explore=0.3, neighbors=3, encoder="minilm", questions=9)])
    assert made.memory == PastResponses(explore=0.3, neighbors=3, encoder="minilm", questions=9)
    assert decode_part(json.loads(json.dumps(encode_part(made))), Recipe) == made
    assert apply(recipe, [grpo(), memory_r_shuffled(window=7)]).memory == PastResponses(permuted=True, window=7)
    for methods, sentence in (
        ((memory_r(exploit=-1.0),), "not both 0"),
        ((memory_r(slots=0),), "1 or more slots"),
        ((memory_r(warmup=-1),), "warm-up"),
        ((i_mentor(), memory_r()), "memory of its own"),
    ):
        with pytest.raises(ForageError, match=sentence):
            apply(recipe, [grpo(), *methods])
    graded = replace(FIRST, scores=tuple(replace(score, graded=True) for score in FIRST.scores))
    with pytest.raises(ForageError, match="memory_r needs a verdict"):
        opened().marked([graded], step=1)

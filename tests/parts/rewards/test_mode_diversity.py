"""The part around the maths: what names a mode, what stays of a score, and the placebo."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from forage.core.errors import ForageError
from forage.core.mode_keys import permuted
from forage.core.records import UNJUDGED, Group, Problem, Rollout, Score, Start
from forage.parts.rewards import ModeDiversity, Unlikeliness
from support.builders import problem, rollout
from support.worlds import EASY, World

START = Start(problem())


def siblings(modes: str) -> tuple[tuple[Rollout, ...], tuple[Score, ...]]:
    """One sibling for each letter: right in the mode of that name, or wrong where it is x, y or z."""
    rollouts = tuple(rollout(START, (ord(letter), place)) for place, letter in enumerate(modes))
    scores = tuple(
        Score(0.0, {"correct": 0.0}) if letter in "xyz" else Score(1.0, {"correct": 1.0}, mode=letter)
        for letter in modes
    )
    return rollouts, scores


def values(part: ModeDiversity | Unlikeliness, modes: str) -> list[float]:
    return [score.value for score in part(*siblings(modes))]


def test_the_example_and_what_the_verifier_said() -> None:
    rollouts, scores = siblings("aaabxxyz")
    weighted = ModeDiversity()(rollouts, scores)
    assert [score.value for score in weighted] == pytest.approx([8 / 3] * 3 + [8] + [0] * 4)
    assert [score.correct for score in weighted] == [True] * 4 + [False] * 4
    assert [score.mode for score in weighted] == [score.mode for score in scores]
    assert weighted[0].parts["mode_diversity"] == pytest.approx(5 / 3)
    assert Group(START, rollouts[:4], ModeDiversity()(rollouts[:4], scores[:4])).varies


def test_a_small_weight_does_not_make_a_right_response_wrong() -> None:
    rollouts = siblings("aa")[0]
    scores = tuple(Score(1.0, {}, mode="a") for _ in rollouts)
    weighted = ModeDiversity(rule="darling")(rollouts, scores)
    assert [score.value for score in weighted] == pytest.approx([0.1, 0.1])
    assert all(score.correct for score in weighted)


def test_unjudged_siblings_stay_and_are_not_counted() -> None:
    rollouts, scores = siblings("aab")
    weighted = ModeDiversity()(rollouts, (scores[0], UNJUDGED, scores[2]))
    assert math.isnan(weighted[1].value)
    assert [weighted[0].value, weighted[2].value] == [2, 2]


@dataclass(frozen=True, kw_only=True)
class Parity(World):
    """Answers are even or odd; the world names no modes."""

    name: ClassVar[str] = "parity"

    def answer(self, problem: Problem, text: str) -> str | None:
        return str(int(text.split()[1]) % 2)


@dataclass(frozen=True, kw_only=True)
class Moded(World):
    name: ClassVar[str] = "moded"

    def mode(self, problem: Problem, text: str) -> str | None:
        return text


def test_keys_of_text_and_of_answers() -> None:
    """Texts all differ; the answers of four siblings are 0 1 0 1."""
    assert values(ModeDiversity(key="text"), "aaaa") == [4, 4, 4, 4]
    task = Parity(worth=EASY.worth)
    assert values(ModeDiversity(key="answer", task=task), "aaab") == [2, 2, 2, 2]
    with pytest.raises(ForageError, match="need the task"):
        ModeDiversity(key="answer")
    with pytest.raises(ForageError, match="keyed by"):
        ModeDiversity(key="nope")  # pyright: ignore[reportArgumentType]


def test_repetition_takes_from_wrong_responses_that_agree_where_they_have_a_key() -> None:
    rollouts, scores = siblings("abxx")
    same = tuple(replace(one, text="same") for one in rollouts)
    assert [s.value for s in ModeDiversity(rule="repetition", key="text")(same, scores)] == [0.625] * 2 + [-0.375] * 2
    assert values(ModeDiversity(rule="repetition"), "abxx") == [1, 1, 0, 0]


def test_the_placebo_keeps_the_partition_and_deals_its_places() -> None:
    rollouts, scores = siblings("aaaaaabbcxxx")
    right = ModeDiversity()(rollouts, scores)
    placebo = ModeDiversity(permuted=True)(rollouts, scores)
    assert placebo == ModeDiversity(permuted=True)(rollouts, scores), "the same step, the same lot"
    assert Counter(s.value for s in placebo) == Counter(s.value for s in right)
    assert [s.value for s in placebo] != [s.value for s in right]
    assert [s.value for s in placebo[9:]] == [0, 0, 0]
    lots = {
        permuted(tuple("aaaaaabbc") + (None,) * 3, [replace(r, version=v) for r in rollouts], scores) for v in range(20)
    }
    assert len(lots) > 10, "another step, another lot"


def test_unlikeliness_on_rollouts_and_its_placebo() -> None:
    rollouts, scores = siblings("aaabxxyz")
    means = (-0.2, -0.2, -0.2, -0.5, -0.3, -0.4, -0.6, -0.1)
    told = tuple(replace(one, logprobs=(mean, mean)) for one, mean in zip(rollouts, means, strict=True))
    wanted = [0.84375] * 3 + [0.96875] + [0] * 4
    assert [s.value for s in Unlikeliness()(told, scores)] == pytest.approx(wanted)
    placebo = [
        [s.value for s in Unlikeliness(permuted=True)([replace(r, version=v) for r in told], scores)] for v in range(8)
    ]
    assert all(sorted(row) == pytest.approx(sorted(wanted)) for row in placebo)
    assert len({tuple(row) for row in placebo}) > 1
    half = (replace(told[0], logprobs=(math.nan, -0.2)), *told[1:])
    assert [s.value for s in Unlikeliness()(half, scores)] == pytest.approx(wanted)
    with pytest.raises(ForageError, match="beta"):
        Unlikeliness(beta=-1)


def test_a_task_has_modes_where_it_names_them() -> None:
    assert not EASY.has_modes
    assert Moded(worth=EASY.worth).has_modes

"""Rewards on text vectors: they rank as the preferences do, say nothing about shuffled ones, and doubt what is far."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Rollout, SamplingParams, Score, Start
from forage.core.serialize import decode_part, encode_part
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.grams.mining.embedding import TfIdf
from forage.methods import (
    apply,
    embedding_reward,
    embedding_reward_shuffled,
    grpo,
    pessimistic_reward,
    pessimistic_reward_shuffled,
)
from forage.ops.best_of_n import best_of_n
from forage.reward_models.preference import Ranking, write_rankings
from forage.reward_models.preference.embedding_heads import (
    HeadFit,
    fit_heads,
    pair_differences,
    ranking_vectors,
    text_vectors,
)
from forage.reward_models.preference.embedding_reward import EmbeddingReward, PessimisticReward
from forage.tasks.countdown import Countdown
from forage.training.recipe import Grouping, Recipe, Schedule
from support.builders import problem, rollout
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.worlds import EASY, blank_model

WORDS = ("good", "fine", "poor", "bad")
"""Each is worth one more than the next."""


def worth(text: str) -> int:
    return sum(3 - WORDS.index(word) for word in text.split())


def said(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(3))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng, rankings = random.Random(0), []
    while len(rankings) < 120:
        first, second = said(rng), said(rng)
        if worth(first) != worth(second):
            ranked = sorted((first, second), key=worth, reverse=True)
            rankings.append(Ranking(prompt=f"ask {len(rankings) % 7}", responses=tuple(ranked)))
    place = tmp_path_factory.mktemp("preferences") / "pairs.jsonl"
    place.write_text(write_rankings(rankings))
    return str(place)


@pytest.fixture(scope="module")
def fitted(file: str) -> EmbeddingReward:
    """It is fitted when it is first asked."""
    return EmbeddingReward(preferences=file, members=2)


def siblings(texts: Sequence[str]) -> tuple[list[Rollout], list[Score]]:
    start = Start(problem(prompt="ask 3"))
    return [replace(rollout(start, [5, i]), text=text) for i, text in enumerate(texts)], [Score(0.25) for _ in texts]


def held_out() -> list[str]:
    rng = random.Random(9)
    return [said(rng) for _ in range(60)]


def agreement(reward: EmbeddingReward | PessimisticReward) -> float:
    """The share of pairs of held-out texts in their true order."""
    texts = held_out()
    values = [score.value for score in reward(*siblings(texts))]
    pairs = [(i, j) for i in range(60) for j in range(60) if worth(texts[i]) > worth(texts[j])]
    return sum(values[i] > values[j] for i, j in pairs) / len(pairs)


def test_both_rank_as_the_preferences_do_and_shuffled_ones_say_nothing(file: str, fitted: EmbeddingReward) -> None:
    assert agreement(fitted) > 0.85
    assert agreement(PessimisticReward(preferences=file, radius=0.0)) > 0.85
    assert 0.2 < agreement(EmbeddingReward(preferences=file, members=2, placebo=True)) < 0.8


def test_the_best_of_more_is_better(fitted: EmbeddingReward) -> None:
    texts = held_out()
    score = np.array([each.value for each in fitted(*siblings(texts))])
    true = np.array([float(worth(text)) for text in texts])
    found = best_of_n(score, true, [1, 2, 8, 32])
    assert found[0] == pytest.approx(true.mean())
    assert (np.diff(found) > 0).all()


def test_values_parts_and_what_is_not_judged(file: str, fitted: EmbeddingReward) -> None:
    rollouts, _ = siblings(["good good good", "bad bad bad", "poor"])
    first, second, third = EmbeddingReward(preferences=file, weight=2.0, outcome=0.5, members=3)(
        rollouts, [Score(1.0, {"correct": 1.0}), Score(0.0, {"correct": 0.0}), UNJUDGED]
    )
    assert first.value == pytest.approx(0.5 + 2 * first.parts["reward_model"])
    assert second.value == pytest.approx(2 * second.parts["reward_model"])
    assert first.parts["reward_model_spread"] > 0
    assert (first.correct, second.correct, first.graded) == (True, False, False)
    assert math.isnan(third.value)
    alone = fitted(rollouts[:1], [Score(1.0)])[0]
    assert alone.graded
    assert alone == EmbeddingReward(preferences=file, members=2)(rollouts[:1], [Score(1.0)])[0], (
        "fitted again, the same"
    )


def test_a_vector_does_not_depend_on_its_neighbors_and_heads_differ(file: str) -> None:
    one = text_vectors(TfIdf(), ["p"], ["good fine"])
    two = text_vectors(TfIdf(), ["p", "p"], ["good fine", "bad"])
    assert (one[0] == two[0]).all()
    vectors = ranking_vectors(TfIdf(), [Ranking(prompt="p", responses=("good", "fine", "bad"))] * 2)
    assert [rows.shape[0] for rows in vectors] == [3, 3]
    assert pair_differences(vectors).shape[0] == 6
    first, second = fit_heads(vectors, HeadFit(members=2, epochs=1))
    assert (first(vectors[0]) != second(vectors[0])).any()


def test_pessimism_takes_more_from_what_was_never_compared(file: str) -> None:
    rollouts, scores = siblings(["good fine poor", "fine fine bad", "an unheard tale of dragons", "good good fine"])
    plain = [each.value for each in PessimisticReward(preferences=file, radius=0.0)(rollouts, scores)]
    doubted = [each.value for each in PessimisticReward(preferences=file, radius=0.2)(rollouts, scores)]
    taken = [a - b for a, b in zip(plain, doubted, strict=True)]
    assert min(taken) > 0
    assert max(taken) == taken[2]
    half = [each.value for each in PessimisticReward(preferences=file, radius=0.1)(rollouts, scores)]
    assert [a - b for a, b in zip(plain, half, strict=True)] == pytest.approx([each / 2 for each in taken])
    dealt = []
    for version in range(6):
        told = [replace(each, version=version) for each in rollouts]
        placebo = PessimisticReward(preferences=file, radius=0.2, permuted=True)(told, scores)
        lot = [a - each.value for a, each in zip(plain, placebo, strict=True)]
        assert sorted(lot) == pytest.approx(sorted(taken))
        dealt.append(tuple(round(each, 9) for each in lot))
    assert len(set(dealt)) > 1


def test_methods_and_what_they_refuse(file: str, tmp_path: Path) -> None:
    recipe = Recipe(name="toy", model="none", task=Countdown(size="demo"))
    made = apply(recipe, [grpo(), embedding_reward(preferences=file, members=2)])
    assert made.rewards == (EmbeddingReward(preferences=file, members=2),)
    assert decode_part(json.loads(json.dumps(encode_part(made))), Recipe) == made
    shuffled = apply(recipe, [grpo(), embedding_reward_shuffled(preferences=file)])
    assert shuffled.rewards == (EmbeddingReward(preferences=file, placebo=True),)
    dealt = apply(recipe, [grpo(), pessimistic_reward_shuffled(preferences=file, radius=2.0)])
    assert dealt.rewards == (PessimisticReward(preferences=file, radius=2.0, permuted=True),)
    spoiled = tmp_path / "spoiled.jsonl"
    spoiled.write_text("{}\n")
    for methods, sentence in (
        ((embedding_reward(),), "Give the file"),
        ((pessimistic_reward(preferences=str(tmp_path / "none")),), "cannot be read"),
        ((pessimistic_reward(preferences=str(spoiled)),), "cannot be used"),
        ((embedding_reward(preferences=file), pessimistic_reward(preferences=file)), "already"),
        ((pessimistic_reward(preferences=file, radius=-1.0),), "radius"),
        ((embedding_reward(preferences=file, members=0),), "at least 1"),
        ((embedding_reward(preferences=file, weight=0.0),), "other than 0"),
    ):
        with pytest.raises(ForageError, match=sentence):
            apply(recipe, [grpo(), *methods])


def test_a_policy_learns_from_preferences_alone_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    """No verdict is read: the word that is preferred becomes the word that is said."""
    file = tmp_path / "pairs.jsonl"
    pairs = [Ranking(prompt=f"go {word}", responses=("north", "south")) for word in ("one", "two", "three")]
    file.write_text(write_rankings(pairs))
    recipe = Recipe(
        name="small",
        model=str(blank_model(tmp_path / "model", layers=1)),
        task=EASY,
        schedule=Schedule(steps=12, checkpoint_every=6, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=16),
        sampling=SamplingParams(max_tokens=1),
        optimization=Optimization(lr=1e-2),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    recipe = apply(recipe, [grpo(), embedding_reward(preferences=str(file), members=2)])
    runs = train_whole_and_in_parts(recipe, tmp_path, stop_after=7)
    whole, parts = map(metrics_of, runs)
    assert str(whole) == str(parts)
    assert whole[-1]["reward_model"] > whole[0]["reward_model"]
    assert whole[-1]["correct"] > 2 * whole[0]["correct"]

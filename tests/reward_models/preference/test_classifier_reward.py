"""A classifier's probability as the reward: a number in [0, 1] of a frozen model, in the verdict's place."""

import math
from pathlib import Path

import pytest
import torch

from forage.core.errors import ForageError
from forage.core.records import Rollout, Score, Start
from forage.engines.local.classifier_reward import ClassifierReward
from forage.engines.local.reward_model import RewardModel
from forage.evaluation.fingerprint import fingerprint
from forage.methods import apply, dr_grpo, soft_rllf, soft_rllf_shuffled
from forage.recipes.dialogue import dialogue
from forage.store.run_directory import RunDirectory
from forage.tasks.dialogue import Dialogue
from forage.training.loop import train

TEXTS = ("hello ann .", "try mint .", "go away .", "hello ben .", "try leek .")


@pytest.fixture(scope="module")
def classifier(dialogue_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = RewardModel.from_causal(dialogue_base)
    with torch.no_grad():
        model.module.get_parameter("score.weight").mul_(-8)
    model.save(place := tmp_path_factory.mktemp("classifier") / "model")
    return place


def judged(reward: ClassifierReward, scores: tuple[Score, ...]) -> list[Score]:
    asked = Start(Dialogue().problems("train")[0])
    written = [Rollout(asked, (number,), (0.0,), (0.0,), text, (1,), "eos", 0) for number, text in enumerate(TEXTS)]
    return list(reward(written, scores))


VERDICTS = (Score(1.0, {"correct": 1.0}), Score(0.0, {"correct": 0.0}), Score(0.0), Score(0.0), Score(math.nan))


def test_the_reward_is_the_classifiers_probability(classifier: Path) -> None:
    model = RewardModel.load(classifier)
    logits = model.score([model.encode(Dialogue().problems("train")[0].prompt, text) for text in TEXTS])
    scores = judged(ClassifierReward(model=str(classifier)), VERDICTS)
    for score, logit in zip(scores[:4], logits, strict=False):
        assert score.value == pytest.approx(1 / (1 + math.exp(-logit)), rel=1e-5)
        assert 0 <= score.value <= 1
    assert scores[0].parts["correct"] == 1.0
    assert scores[0].graded
    assert not scores[4].judged


def test_the_placebo_pays_as_much_to_other_siblings(classifier: Path) -> None:
    own = judged(ClassifierReward(model=str(classifier)), VERDICTS)
    dealt = judged(ClassifierReward(model=str(classifier), permuted=True), VERDICTS)
    assert repr(dealt) == repr(judged(ClassifierReward(model=str(classifier), permuted=True), VERDICTS))
    paid = [[each.parts["classifier"] for each in scores] for scores in (own, dealt)]
    assert sorted(paid[0]) == sorted(paid[1])
    assert paid[0] != paid[1]


def test_a_policy_learns_from_it_and_it_stays_frozen(classifier: Path, dialogue_base: Path, tmp_path: Path) -> None:
    before = fingerprint(classifier)
    recipe = dialogue(model=str(dialogue_base), steps=6, groups=4, group_size=8, lr=3e-3, threads=1, matmul="highest")
    recipe = apply(recipe, [dr_grpo(), soft_rllf(model=str(classifier))])
    rows = RunDirectory.open(train(recipe, out=tmp_path / "run").path).metrics()
    assert all(row["reward"] == pytest.approx(row["classifier"], abs=1e-6) for row in rows)
    assert rows[-1]["reward"] > rows[0]["reward"] + 0.05
    assert fingerprint(classifier) == before


def test_it_is_refused_without_a_classifier_and_twice(classifier: Path, dialogue_base: Path) -> None:
    recipe = dialogue(model=str(dialogue_base), steps=1)
    with pytest.raises(ForageError, match="needs a reward model that classifies"):
        apply(recipe, [dr_grpo(), soft_rllf()])
    with pytest.raises(ForageError, match="is no reward model"):
        apply(recipe, [dr_grpo(), soft_rllf(model=str(dialogue_base))])
    with pytest.raises(ForageError, match="has a classifier already"):
        apply(recipe, [dr_grpo(), soft_rllf(model=str(classifier)), soft_rllf_shuffled(model=str(classifier))])

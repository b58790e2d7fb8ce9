"""Ranking: hand-made candidates, and a model's candidates from samples."""

import math
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.evaluation.samples import Sample
from forage.ops.passk import pass_at_k
from forage.reward_models.prm.rank import Candidate, rank, score_samples
from forage.tasks.countdown import Countdown

POOLS = {
    "a": [Candidate((0.9, 0.8), "1", True), Candidate((0.95, 0.1), "2", False), Candidate((0.3,), "2", False)],
    "b": [Candidate((0.2,), "5", True), Candidate((0.9,), "6", False), Candidate((), None, False)],
    "c": [],
}


def test_by_hand() -> None:
    found = rank(POOLS, [1, 3], ["min", "max"], vote="min")
    assert found.problems == 2
    curves = {name: [i.estimate for i in curve] for name, curve in found.curves.items()}
    assert curves["process model, min"] == pytest.approx([1 / 3, 0.5])
    assert curves["process model, max"] == pytest.approx([1 / 3, 0.0])
    assert curves["oracle"] == pytest.approx([pass_at_k(3, 1, 1), 1.0])
    assert curves["chance"] == pytest.approx([1 / 3, 1 / 3])
    # All three: a's weights are .8 for 1 and .4 for 2; b's .2 for 5 and .9 for 6. Unweighted: 2 wins a, b ties.
    assert curves["votes weighted by min"][1] == pytest.approx(0.5)
    assert curves["majority vote"][1] == pytest.approx(0.25)


def test_a_pool_smaller_than_n_counts_whole() -> None:
    found = rank({"a": POOLS["a"]}, [8], ["min"])
    assert found.curves["oracle"][0].estimate == 1


def test_a_task_without_answers_has_no_votes() -> None:
    pool = {"a": [Candidate((0.5,), None, True), Candidate((0.4,), None, False)]}
    found = rank(pool, [2], ["min"])
    assert math.isnan(found.curves["majority vote"][0].estimate)
    assert found.curves["process model, min"][0].estimate == 1


def test_nothing_to_choose_from_is_a_sentence() -> None:
    with pytest.raises(ForageError, match="nothing to choose"):
        rank({"c": []}, [1], ["min"])
    with pytest.raises(ForageError, match="at least 1"):
        rank(POOLS, [0], ["min"])


def test_samples_are_scored_step_by_step(tiny_base: Path) -> None:
    task = Countdown(test_problems=2)
    first, second = task.problems("test")
    process = ProcessModel.from_causal(LocalModel.load(tiny_base))

    def sample(problem: str, number: int, text: str, *, judged: bool = True) -> Sample:
        return Sample(
            problem=problem,
            sample=number,
            text=text,
            length=3,
            entropy=0.0,
            truncated=False,
            judged=judged,
            correct=False,
            committed=False,
            answer=None,
        )

    text = "try 1 + 2 = 3 3 4 back so"
    samples = [sample(first.id, 0, text), sample(first.id, 1, ""), sample(second.id, 0, text, judged=False)]
    found = score_samples(process, task, [first, second], samples)
    assert [len(candidate.steps) for candidate in found[first.id]] == [3, 0]
    assert found[second.id] == []
    encoded = process.encode(str(first.prompt), ["try 1 + 2 = 3 3 4", "back", "so"])
    assert found[first.id][0].steps == pytest.approx(process.score([encoded])[0], abs=1e-6)

"""Names of evaluations say what was asked; a different one is never written over; model folders stay as they are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from forage.evaluation.collect import evaluations_of
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.names import evaluation_name, home_of, place_for
from forage.tasks.countdown import Countdown
from forage.tasks.gym import Gym
from forage.tasks.names import file_name
from forage.tasks.steps import Stepwise
from forage.tasks.table import Table, TableFile
from forage.tasks.verifiers import parse_verifier

Make = Callable[..., Evaluation]


def test_a_name_says_what_was_asked(evaluation: Make) -> None:
    made = evaluation([1, 2], 8, step=20)
    assert evaluation_name(made, "countdown-demo") == "test-countdown-demo-step000020-T1-len120-n8-seed0.json"
    cut = replace(made, step=None, params=replace(made.params, temperature=0.7, top_p=0.9, top_k=5, max_tokens=64))
    assert evaluation_name(cut, "gym-chain_sum", first=16) == "test16-gym-chain_sum-T0.7-p0.9-k5-len64-n8-seed0.json"


def test_tasks_have_names_for_files() -> None:
    table = Table(
        train=TableFile(path="a/train.jsonl"), test=TableFile(path="b/my test.jsonl"), verifier=parse_verifier("math")
    )
    assert file_name(Stepwise(task=Countdown(size="experiment")), "test") == "countdown-experiment"
    assert file_name(table, "test") == "table-my_test-math"
    assert file_name(table, "train") == "table-train-math"
    assert file_name(Gym(dataset="chain_sum"), "test") == "gym-chain_sum"


@pytest.mark.parametrize(
    "changes",
    [
        {"task": {"part": "toy", "verifier": {"part": "math"}}},
        {"judged_by": {"deadline": 1.0}},
        {"sampled_by": {"stops": ["!"]}},
        {"fingerprint": "other"},
    ],
)
def test_a_different_evaluation_gets_a_name_of_its_own(
    tmp_path: Path, evaluation: Make, changes: dict[str, object]
) -> None:
    path = tmp_path / "evals" / "test.json"
    made = evaluation([1, 2], 8)
    made.save(place_for(made, path))
    assert place_for(replace(made, label="renamed"), path) == path
    other = replace(made, **changes)
    place = place_for(other, path)
    assert place != path
    assert place_for(other, path) == place
    other.save(place)
    assert Evaluation.load(str(path)) == made
    assert len(evaluations_of(tmp_path)) == 2


def test_a_damaged_file_is_not_written_over(tmp_path: Path, evaluation: Make) -> None:
    (tmp_path / "test.json").write_text("{")
    assert place_for(evaluation([1], 4), tmp_path / "test.json") != tmp_path / "test.json"


def test_evaluations_of_a_model_folder_are_found_below_runs(
    tmp_path: Path, evaluation: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / name / "model" for name in ("a", "b")]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        evaluation([number], 4).save(home_of(folder) / "evals" / "test.json")
    assert home_of(folders[0]).parts[:2] == ("runs", "evals")
    assert [[e.problems[0].correct for e in evaluations_of(folder)] for folder in folders] == [[0], [1]]

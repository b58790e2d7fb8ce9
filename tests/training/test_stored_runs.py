"""What version 0.1 wrote still loads, resumes, compares and reports."""

import json
import shutil
from pathlib import Path

import pytest

import forage
from forage.cli import main
from forage.reward_models.prm.checkpoints import score_solutions
from forage.reward_models.prm.formats import read_labels
from forage.training.loop import open_recipe, resume

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1"


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that the tests may change; the run names its base relative to the working directory."""
    place = tmp_path / "old"
    shutil.copytree(OLD, place)
    monkeypatch.chdir(place)
    return place


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_stored_run_resumes_to_the_same_end(stored: Path) -> None:
    run = stored / "run"
    assert open_recipe(run).grouping.group_size == 4
    before = rows(run)
    shutil.rmtree(run / "checkpoints" / "step-000004")
    outcome = resume(run)
    assert (outcome.step, outcome.finished) == (4, True)
    for old, new in zip(before, rows(run), strict=True):
        for name in ("correct", "length", "entropy", "loss", "tokens"):
            assert new[name] == pytest.approx(old[name], rel=1e-3, abs=1e-4), (name, old["step"])


def test_a_stored_evaluation_is_compared_and_reported(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = (stored / "run" / "evals").glob("*.json")
    assert forage.Evaluation.load(file).n == 4
    assert main(["compare", "run", "run"]) in (0, 2)
    assert main(["report", "run", "--out", "report.html"]) == 0, capsys.readouterr().err
    assert (stored / "report.html").stat().st_size > 100_000


def test_a_stored_process_model_scores(stored: Path) -> None:
    labels = read_labels(stored / "labels" / "labels.jsonl")
    scored = score_solutions(stored / "pm", labels.solutions)
    assert len(scored.scores) == 24
    assert all(0 <= score <= 1 for scores in scored.scores for score in scores)

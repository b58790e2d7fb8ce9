"""What `forage export` writes for other trainers beside weights and rollouts: labels and grams."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from forage.cli import main
from forage.grams.gram_list import GramCluster, GramList
from forage.reward_models.prm.formats import read_labels
from forage.store.dataset_folder import FILE


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Two solutions in TRL's format, which is also a format that is read."""
    rows = [
        {"prompt": "1 + 1?", "completions": ["Add.", "So 2."], "labels": [True, True]},
        {"prompt": "2 + 2?", "completions": ["Add.", "So 5."], "labels": [True, False]},
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["er-prm", "openrlhf", "math-shepherd", "trl"])
def test_labels_in_the_four_formats(labels: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "theirs.jsonl"
    assert main(["export", str(labels), "--step-labels", name, "--out", str(out)]) == 0
    assert [row.values for row in read_labels(out).solutions] == [(1.0, 1.0), (1.0, 0.0)]


def test_labeled_steps_as_a_folder(labels: Path, tmp_path: Path) -> None:
    assert main(["export", str(labels), "--rollouts", "stepwise", "--out", str(tmp_path / "out")]) == 0
    rows = pq.read_table(tmp_path / "out" / FILE).to_pylist()
    assert rows == [json.loads(line) for line in labels.read_text().splitlines()]


def test_grams_as_json(tmp_path: Path) -> None:
    clusters = (GramCluster(grams=("let me check", "let me verify"), label="check"), GramCluster(grams=("so far",)))
    run = tmp_path / "run"
    run.mkdir()
    (run / "grams.json").write_text(GramList(clusters=clusters).to_json())
    wanted = [("let me check", "check"), ("let me verify", "check"), ("so far", "so far")]
    for source in (run, run / "grams.json"):
        assert main(["export", str(source), "--gram-list", "--out", str(tmp_path / "out.json")]) == 0
        rows = json.loads((tmp_path / "out.json").read_text())
        assert [(row["gram"], row["cluster"]) for row in rows] == wanted


def test_one_thing_at_a_time(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(labels), "--step-labels", "trl", "--gram-list", "--out", str(tmp_path / "out")]) != 0
    assert "Give one of" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

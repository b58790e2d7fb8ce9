"""Process reward models on the command line, from labels to use."""

import json
import shutil
from pathlib import Path

import pytest

from forage.cli import main
from forage.reward_models.prm.formats import read_labels
from support.said import Said


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the base that may hold evaluations."""
    return Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("prm-base") / "base"))


def make_labels(base: Path, out: Path) -> Path:
    arguments = ["--problems", "6", "--solutions", "2", "--continuations", "2", "--max-tokens", "24", "--threads", "1"]
    assert main(["prm", "label", str(base), "--out", str(out), *arguments]) == 0
    return out / "labels.jsonl"


@pytest.fixture(scope="module")
def labels(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_labels(base, tmp_path_factory.mktemp("prm") / "labels")


def test_labels_of_a_model(labels: Path, base: Path, tmp_path: Path, said: Said) -> None:
    rows = [json.loads(line) for line in labels.read_text().splitlines()]
    assert len({row["problem"] for row in rows}) == 6
    assert all(sum(count.values()) == 2 for row in rows for count in row["counts"])
    assert any(len(row["steps"]) > 1 for row in rows)
    assert make_labels(base, tmp_path / "again").read_bytes() == labels.read_bytes()
    assert "continuations" in said()[1]


@pytest.mark.parametrize("name", ["er-prm", "openrlhf", "math-shepherd", "trl"])
def test_labels_are_written_for_others(name: str, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "theirs.jsonl"
    assert main(["prm", "convert", str(labels), "--to", name, "--eta", "inf", "--out", str(out)]) == 0
    ours, theirs = read_labels(labels, eta=float("inf")), read_labels(out)
    assert [row.values for row in theirs.solutions] == [row.values for row in ours.solutions]


@pytest.fixture(scope="module")
def model(base: Path, labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prm-model") / "model"
    arguments = ["--epochs", "2", "--batch", "4", "--held-out", "0.4", "--threads", "1"]
    assert main(["prm", "train", str(labels), "--model", str(base), "--out", str(out), *arguments]) == 0
    return out


def test_a_trained_model_scores_and_ranks(model: Path, labels: Path, base: Path, tmp_path: Path, said: Said) -> None:
    scored = tmp_path / "scored.jsonl"
    assert main(["prm", "score", str(model), str(labels), "--out", str(scored), "--threads", "1"]) == 0
    assert "Brier score" in said()[1]
    rows = [json.loads(line) for line in scored.read_text().splitlines()]
    assert len(rows) == len(labels.read_text().splitlines())
    assert all(len(row["scores"]) == len(row["steps"]) and row["score"] == min(row["scores"]) for row in rows)

    sampling = ["--n", "4", "--k", "1", "--max-tokens", "16", "--threads", "1"]
    assert main(["eval", str(base), *sampling, "--out", str(tmp_path)]) == 0
    (evaluation,) = (tmp_path / "evals").glob("*.json")
    said()
    curves = tmp_path / "curves.json"
    arguments = ["--k", "1,2,4,8", "--out", str(curves), "--threads", "1"]
    assert main(["prm", "rank", str(model), str(evaluation), *arguments]) == 0
    out, _ = said()
    for name in ("process model, min", "votes weighted by min", "majority vote", "oracle", "chance"):
        assert name in out
    found = json.loads(curves.read_text())
    assert found["ns"] == [1, 2, 4]
    assert found["held_out"] == json.loads((model / "calibration.json").read_text())
    about = json.loads((model / "process_model.json").read_text())["about"]
    assert about["labels"] == {"eta": "1.0", "m": None}
    assert main(["prm", "rank", str(model), str(tmp_path), *arguments, "--json"]) == 0
    assert len(json.loads(said()[0])["ranking"]["rows"]) == len(found["curves"])
    assert main(["prm", "rank", str(model), str(evaluation), "--k", "8"]) == 2
    assert "4 samples per problem" in said()[1]
    assert main(["prm", "rank", str(model), str(evaluation), "--aggregate", "median"]) == 2
    assert "median" in said()[1]


def test_a_search_is_compared_at_equal_tokens(model: Path, base: Path, tmp_path: Path, said: Said) -> None:
    out = tmp_path / "found.json"
    arguments = ["--problems", "3", "--repeats", "2", "--max-tokens", "24", "--threads", "1", "--out", str(out)]
    assert main(["prm", "search", str(model), str(base), *arguments]) == 0
    assert "guided search" in said()[0]
    found = json.loads(out.read_text())
    assert len(found["solutions"]) == 6
    assert found["best_of_n_tokens"] >= 0.8 * found["search_tokens"]
    assert found["search_tokens"] == pytest.approx(sum(row["tokens"] for row in found["solutions"]) / 6)
    before = out.read_bytes()
    assert main(["prm", "search", str(model), str(base), *arguments]) == 0
    assert out.read_bytes() == before
    assert main(["prm", "search", str(base), str(base), *arguments]) == 2
    assert "forage prm train" in said()[1]


def test_a_folder_that_exists_is_refused(model: Path, labels: Path, base: Path, said: Said) -> None:
    before = (model / "model.safetensors").read_bytes()
    assert main(["prm", "train", str(labels), "--model", str(base), "--out", str(model)]) == 2
    assert "exists already" in said()[1]
    assert (model / "model.safetensors").read_bytes() == before


def test_a_device_that_is_not_there_is_a_sentence(
    base: Path, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["prm", "label", str(base), "--out", str(tmp_path / "x"), "--device", "cuda"]) == 2
    assert "not available on this machine" in said()[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "usage: forage prm label"),
        (["label", "nowhere", "--out", "x"], "nowhere does not exist"),
        (["label", "BASE", "--out", "x", "--continuations", "0"], "at least one"),
        (["label", "BASE", "--out", "x", "--problems", "0"], "at least one problem"),
        (["label", "BASE", "--out", "x", "--split", "dev"], "train or test"),
        (["train", "EMPTY", "--model", "BASE", "--out", "x"], "no labeled solution"),
        (["train", "TAGGED", "--model", "nowhere", "--out", "x"], "nowhere does not exist"),
        (["train", "TAGGED", "--model", "BASE", "--out", "x", "--lr", "0"], "lr above 0"),
        (["train", "TAGGED", "--model", "BASE", "--out", "x", "--threads", "1"], "cannot read"),
        (["score", "BASE", "TAGGED", "--out", "x"], "forage prm train"),
        (["rank", "BASE", "nowhere.json"], "cannot be read"),
        (["convert", "nowhere", "--to", "trl", "--out", "x"], "cannot be read"),
        (["convert", "EMPTY", "--to", "trl", "--out", "x"], "no labeled solution"),
    ],
)
def test_wrong_input_is_one_sentence(
    arguments: list[str], sentence: str, base: Path, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("EMPTY").write_text('{"text": "no tag", "value": []}\n')
    Path("TAGGED").write_text('{"text": "bonjour ки", "value": [1]}\n')
    assert main(["prm", *(str(base) if word == "BASE" else word for word in arguments)]) == 2
    assert sentence in said()[1]
    assert not Path("x").exists() or not any(Path("x").iterdir())

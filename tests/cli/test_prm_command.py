"""Process reward models on the command line, from labels to use."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from forage.cli import main
from forage.prm.formats import read_labels

Said = Callable[[], tuple[str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, " ".join(captured.err.split())

    return read


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the base that may hold evaluations."""
    return Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("prm-base") / "base"))


def make_labels(base: Path, out: Path) -> Path:
    arguments = ["--problems", "6", "--solutions", "2", "--m", "2", "--max-tokens", "24", "--threads", "1"]
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "usage: forage prm label"),
        (["label", "nowhere", "--out", "x"], "nowhere does not exist"),
        (["label", "BASE", "--out", "x", "--m", "0"], "at least one"),
        (["label", "BASE", "--out", "x", "--problems", "0"], "at least one problem"),
        (["label", "BASE", "--out", "x", "--split", "dev"], "train or test"),
        (["convert", "nowhere", "--to", "trl", "--out", "x"], "cannot be read"),
        (["convert", "EMPTY", "--to", "trl", "--out", "x"], "no labelled solution"),
    ],
)
def test_wrong_input_is_one_sentence(
    arguments: list[str], sentence: str, base: Path, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("EMPTY").write_text('{"text": "no tag", "value": []}\n')
    assert main(["prm", *(str(base) if word == "BASE" else word for word in arguments)]) == 2
    assert sentence in said()[1]

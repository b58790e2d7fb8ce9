from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from forage.core.errors import ForageError
from forage.store.dataset_folder import FILE, write_dataset, write_stepwise


def row(text: str, correct: float, group: int = 0) -> dict[str, Any]:
    return {"step": 1, "group": group, "prompt": f"q{group}", "text": text, "correct": correct}


ROWS = [
    row("a", 1.0),
    row("b", 0.0),
    row("a", 1.0),
    row("c", float("nan")),
    row("d", 0.0),
    row("e", 1.0, group=1),
]


def test_right_responses_for_fine_tuning(tmp_path: Path) -> None:
    assert write_dataset(ROWS, "sft", tmp_path / "out") == 2
    rows = pq.read_table(tmp_path / "out" / FILE).to_pylist()
    assert rows == [{"prompt": "q0", "completion": "a"}, {"prompt": "q1", "completion": "e"}]


def test_pairs_of_siblings(tmp_path: Path) -> None:
    """Group 0 has two right and two wrong responses, in order; group 1 has no wrong one."""
    assert write_dataset(ROWS, "preference", tmp_path / "out") == 2
    rows = pq.read_table(tmp_path / "out" / FILE).to_pylist()
    assert [(one["prompt"], one["chosen"], one["rejected"]) for one in rows] == [("q0", "a", "b"), ("q0", "a", "d")]


def test_responses_that_an_environment_answered_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="text that an environment wrote"):
        write_dataset([{**ROWS[0], "given": [[0, 1]]}], "sft", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labeled_steps(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}]
    assert write_stepwise(rows, tmp_path / "out") == 1
    assert pq.read_table(tmp_path / "out" / FILE).to_pylist() == rows
    with pytest.raises(ForageError, match="exists already"):
        write_stepwise(rows, tmp_path / "out")
    with pytest.raises(ForageError, match="no solution has a label"):
        write_stepwise([], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_nothing_to_write_and_nothing_overwritten(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="no response was judged right"):
        write_dataset([row("a", float("nan"))], "sft", tmp_path / "out")
    with pytest.raises(ForageError, match="a right and a wrong"):
        write_dataset([row("a", 1.0)], "preference", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ForageError, match="exists already"):
        write_dataset(ROWS, "sft", tmp_path)
    with pytest.raises(ForageError, match="sft, preference"):
        write_dataset(ROWS, "dpo", tmp_path / "out")  # pyright: ignore[reportArgumentType]

"""The commands of a warm-up, and of format tuning, from a run to a model."""

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from forage.cli import main
from forage.store.dataset_folder import FILE
from support.own_world import sums, write_model, write_table
from support.said import Said

SMALL = ["--threads", "1"]


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("sft") / "model", chat=True)


def test_a_table_is_learned_through_the_chat_template(chat_model: Path, tmp_path: Path, said: Said) -> None:
    rows = [{"prompt": row["prompt"], "completion": f"It is {row['answer']}."} for row in sums(12)]
    write_table(tmp_path / "rows.jsonl", [*rows, {"prompt": "no response"}])
    command = ["sft", str(tmp_path / "rows.jsonl"), "--model", str(chat_model), "--out", str(tmp_path / "warm"), *SMALL]
    assert main(command) == 2
    assert "1 rows of" in (error := said()[1])
    assert "line 13: it has no 'completion'" in error
    assert main([*command, "--skip-bad-rows", "--held-out", "0.3", "--epochs", "2", "--system", "Add."]) == 0
    _, err = said()
    assert "Held out: " in err
    assert "line 13" in err
    about = json.loads((tmp_path / "warm" / "supervised.json").read_text())
    assert about["learned"]["examples"] + about["learned"]["held"] == 12
    assert main(["eval", str(tmp_path / "warm"), "--task", "countdown", "--n", "1", "--k", "1", "--problems", "1"]) == 0


CHECK = "def has_vowels(problem, text):\n    return sum(map(text.lower().count, 'aeiou')) > 1\n"
"""Right for a part of what an untrained model writes."""


def test_format_tuning_from_a_run_to_restarts(
    chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """A run, the trajectories that are made of its responses, their tuning, and restarts with the new token."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "vowel_checks.py").write_text(CHECK)
    write_table(tmp_path / "rows.jsonl", sums(12))
    run = ["train", "table", "--data", "rows.jsonl", "--verifier", "python:vowel_checks:has_vowels"]
    run += ["--steps", "2", "--groups", "3", "--group-size", "4", "--max-tokens", "12", "--rollouts-every", "1"]
    run += ["--matmul", "highest", "--method", "dr_grpo", *SMALL]
    assert main([*run, "--model", str(chat_model), "--out", "first"]) == 0
    assert main(["export", "first", "--rollouts", "reflection", "--alone", "0", "--out", "turns"]) == 0
    rows = pq.read_table(tmp_path / "turns" / FILE).to_pylist()
    assert rows
    assert [turn["role"] for turn in rows[0]["prompt"]] == ["user"]
    assert all(row["completion"][0]["content"].count("<|reflect|>") == 1 for row in rows)
    tune = ["sft", "turns", "--model", str(chat_model), "--out", "tuned", "--held-out", "0", *SMALL]
    assert main([*tune, "--new-token", "<|reflect|>", "--learn-from", "<|reflect|>"]) == 0
    about = json.loads((tmp_path / "tuned" / "supervised.json").read_text())
    assert about["learned"]["examples"] == len(rows)
    again = ["--method", "satori:reflect=<|reflect|>,room=4", "--model", "tuned", "--out", "second"]
    assert main([*run, *again]) == 0
    assert "from_wrong_correct" in (tmp_path / "second" / "metrics.jsonl").read_text()
    assert main(["sft", "first", "--model", str(chat_model), "--out", "own", "--held-out", "0", *SMALL]) == 0
    assert "examples, " in said()[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch.jsonl"], "There is no table at nosuch.jsonl"),
        (["rows.jsonl", "--model", "nosuch"], "nosuch does not exist"),
        (["rows.jsonl", "--adapter", "full"], "adapter"),
        (["rows.jsonl", "--epochs", "0"], "must be at least 1"),
        (["rows.jsonl", "--new-token", ""], "A new token is a text"),
    ],
)
def test_wrong_input_is_a_sentence_and_writes_nothing(
    arguments: list[str], message: str, chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "rows.jsonl", [{"prompt": "1", "completion": "2"}] * 3)
    file, *flags = arguments
    model = [] if "--model" in flags else ["--model", str(chat_model)]
    assert main(["sft", file, *model, "--out", "out", "--held-out", "0", *SMALL, *flags]) == 2
    assert message in said()[1]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]

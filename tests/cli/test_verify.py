import json
import subprocess
import sys
from pathlib import Path

import pytest

from forage.cli import main


def test_a_verifier_is_tried_on_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--verifier", "numeric:tolerance=0.01", "--answer", "42", "It is 42.", "41"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["response", "value"]
    assert lines[1].split()[:4] == ["It", "is", "42.", "1"]
    assert lines[2].split()[:2] == ["41", "0"]


def test_what_cannot_be_judged_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--verifier", "numeric", "--answer", "seven", "7"]) == 0
    said = capsys.readouterr()
    assert "unjudged" in said.out
    assert "is not a number" not in said.out


def test_a_reason_is_said_once() -> None:
    """In a process of its own, where the notices of the log go to the terminal."""
    command = [sys.executable, "-m", "forage", "verify", "--verifier", "numeric", "--answer", "seven", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    said = " ".join((done.stdout + done.stderr).split())
    assert said.count("is not a number") == 1
    assert "'seven'. Such answers" in said


ROWS = [
    {"prompt": "6 * 7?", "answer": "42", "response": "It is 42."},
    {"answer": 42, "response": "41"},
    {"prompt": [{"role": "user", "content": "How many percent?"}], "answer": "42", "response": "42%"},
    {"prompt": "How many?", "answer": "42", "response": "42%"},
]


def test_a_file_of_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # room for the name of the file
    table = tmp_path / "answers.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert main(["verify", "--verifier", "numeric", "--file", str(table)]) == 0
    said = capsys.readouterr().out
    assert "2 of 4 responses are right, 0 could not be judged." in said
    assert "line 2" in said.replace("\n", "")
    assert "line 1" not in said.replace("\n", "")


def test_verdicts_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "answers.jsonl"
    table.write_text("".join(json.dumps({"gold": row["answer"], "text": row["response"]}) + "\n" for row in ROWS))
    columns = ["--answer-column", "gold", "--response-column", "text"]
    assert main(["verify", "--verifier", "numeric", "--file", str(table), *columns, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["right"], printed["unjudged"]) == (1, 0)
    rows = printed["responses"]["rows"]
    assert [row["correct"] for row in rows] == [True, False, False, False]
    assert rows[0] == {
        "where": f"{table}, line 1",
        "response": "It is 42.",
        "value": 1.0,
        "correct": True,
        "answer": "42",
        "parts": {"correct": 1.0, "answered": 1.0},
    }
    assert main(["verify", "--verifier", "numeric", "--answer", "seven", "7", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["responses"]["rows"]
    assert row["value"] is None


def test_a_file_without_the_columns_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "answers.jsonl"
    table.write_text('{"answer": "1"}\n')
    assert main(["verify", "--file", str(table)]) == 2
    assert "line 1: it has no 'response', only 'answer'." in capsys.readouterr().err
    assert main(["verify", "--file", str(table), "text"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "Which responses?"), (["--verifier", "fuzzy", "x"], "There is no verifier 'fuzzy'")],
)
def test_mistakes_are_sentences(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *arguments]) == 2
    assert words in capsys.readouterr().err

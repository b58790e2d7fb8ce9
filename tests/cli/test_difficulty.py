"""`forage difficulty` on a tiny model and a table of problems: a table, a file, and a sentence."""

import json
from pathlib import Path

import pytest

from forage.cli import main
from forage.parts.memory.difficulty_buckets import read_tries
from support.worlds import blank_model


def test_the_command_prints_buckets_and_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, table = blank_model(tmp_path / "model"), tmp_path / "table.jsonl"
    words = ("north", "south", "nowhere")
    table.write_text("".join(json.dumps({"prompt": f"go {word}", "answer": word}) + "\n" for word in words))
    out = tmp_path / "difficulty.jsonl"
    command = ["difficulty", str(model), "--data", str(table), "--verifier", "exact", "--max-tokens", "1"]
    assert main([*command, "--threads", "1", "--most", "30", "--json", "--out", str(out)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["difficulty"]["rows"]) == 4
    tries = list(read_tries(out).values())
    assert len(tries) == 3
    assert tries[2] is None
    assert all(each is not None for each in tries[:2])
    assert main([*command, "--most", "0"]) == 2
    assert "at least one response" in capsys.readouterr().err

"""`forage search` on a tiny model and a table of problems: a table, a file of numbers, and sentences."""

import json
from pathlib import Path

import pytest

from forage.cli import main
from support.worlds import blank_model


def test_the_command_prints_a_table_and_saves_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = blank_model(tmp_path / "model")
    table = tmp_path / "table.jsonl"
    words = ("north", "south")
    table.write_text("".join(json.dumps({"prompt": f"go {word}", "answer": word}) + "\n" for word in words))
    command = ["search", str(model), "--data", str(table), "--verifier", "exact", "--votes", "4", "--repeats", "2"]
    out = tmp_path / "result.json"
    assert main([*command, "--max-tokens", "3", "--threads", "1", "--json", "--out", str(out)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["search"]["rows"]) == 6
    assert json.loads(out.read_text())["responses"] == 4
    assert main([*command, "--epsilon", "2"]) == 2
    assert "taken at random" in capsys.readouterr().err

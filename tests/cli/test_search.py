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


def test_documents_judge_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = blank_model(tmp_path / "model")
    table, documents = tmp_path / "table.jsonl", tmp_path / "docs.jsonl"
    words = ("north", "south")
    table.write_text("".join(json.dumps({"prompt": f"go {word}", "answer": word}) + "\n" for word in words))
    documents.write_text("".join(json.dumps({"text": f"go {word} {word}"}) + "\n" for word in words))
    flags = ["--verifier", "exact", "--repeats", "2", "--max-tokens", "1", "--threads", "1"]
    command = ["search", str(model), "--data", str(table), *flags]
    asked = [*command, "--by", "documents", "--documents", f"search:results=1,documents={documents}", "--rounds", "3"]
    out = tmp_path / "result.json"
    assert main([*asked, "--json", "--exhaustive", "--out", str(out)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["search"]["rows"]) == 8
    found = json.loads(out.read_text())
    assert found["plan"] == {"responses": 3, "actions": 2, "exploration": 1.0, "refine": False, "stop": False}
    assert found["search_tokens"] == 3
    for wrong, sentence in (
        ([*asked, "--votes", "4"], "--votes goes with --by votes"),
        ([*command, "--rounds", "4"], "--rounds goes with --by documents"),
        ([*command, "--by", "documents"], "no documents to search"),
        ([*asked, "--judge", "nosuch"], "module:function"),
    ):
        assert main(wrong) == 2
        assert sentence in capsys.readouterr().err

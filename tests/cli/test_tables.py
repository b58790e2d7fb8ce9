"""What a command shows: as text, as one JSON object, or in a file, by the same calls."""

import json
from pathlib import Path

import pytest

from forage.cli import main
from forage.cli.tables import Tables
from forage.core.result_table import Cell, ResultTable
from forage.methods import METHODS

TABLE = ResultTable(
    ("policy", "pass@1", "steps"),
    ((Cell("[base]"), Cell("0.500 [0.400, 0.600]", 0.5, 0.4, 0.6), Cell("n/a")),),
    ("A note.",),
)
AS_JSON = {"levels": {"rows": [{"policy": "[base]", "pass@1": [0.5, 0.4, 0.6], "steps": None}], "notes": ["A note."]}}


def show(shown: Tables) -> None:
    shown.say("Words [not markup].")
    shown.table("levels", TABLE)
    shown.value("files", ["a"])
    shown.finish()


def test_text_holds_words_cells_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    show(Tables())
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == "Words [not markup]."
    assert lines[1].split() == ["policy", "pass@1", "steps"]
    assert lines[2].split() == ["[base]", "0.500", "n/a"]
    assert lines[3:] == ["[0.400, 0.600]", "A note."]


@pytest.mark.parametrize("width", [60, 90, 300])
def test_numbers_are_never_cut(width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    cells = [Cell(f"0.{n}00 [0.{n}50, 0.{n}99]", n / 10, n / 10, n / 10) for n in range(1, 10)]
    names = [f"distinct@{4**n}" for n in range(9)]
    label = "grpo + entropy_advantage:alpha=0.2 + mode_diversity:rule=ips"
    Tables().table("wide", ResultTable(("policy", *names), ((Cell(label), *cells),), ()))
    out = capsys.readouterr().out
    assert "\N{HORIZONTAL ELLIPSIS}" not in out
    assert all(name in out.split() for name in names)
    assert all(f"[0.{n}50, 0.{n}99]" in out for n in range(1, 10))
    assert len({line.split()[0] for line in out.splitlines() if "distinct" in line}) == 1
    assert max(map(len, out.splitlines())) <= width


def test_headers_beside_words_are_not_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = ("policy", "million tokens", "minutes", "points per million tokens", "points per hour")
    few, none = Cell("below 0.05"), Cell("")
    Tables().table("cost", ResultTable(columns, ((Cell("dr_grpo"), few, Cell("0.1", 0.1), none, none),), ()))
    out = capsys.readouterr().out
    assert all(column in out for column in columns)
    assert max(map(len, out.splitlines())) <= 80


def test_json_is_one_object_without_words(capsys: pytest.CaptureFixture[str]) -> None:
    show(Tables(json=True))
    assert json.loads(capsys.readouterr().out) == {**AS_JSON, "files": ["a"]}


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_gets_what_would_be_printed(as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(Tables(json=as_json))
    printed = capsys.readouterr().out
    show(Tables(json=as_json, out=tmp_path / "new" / "file"))
    captured = capsys.readouterr()
    assert (tmp_path / "new" / "file").read_text() == printed
    assert captured.out == ""
    assert "Saved:" in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["methods"],
        ["methods", "rrl"],
        ["verify", "--verifier", "numeric", "--answer", "42", "It is 42.", "41"],
        ["grams", "show", "phrases"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_commands_that_only_print_write_the_same_into_a_file(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--json"]):
        assert main([*arguments, *more]) == 0
        printed = capsys.readouterr().out
        assert main([*arguments, *more, "--out", str(tmp_path / "file")]) == 0
        assert capsys.readouterr().out == ""
        assert (tmp_path / "file").read_text() == printed
        if more:
            assert isinstance(json.loads(printed), dict)


def test_json_of_the_catalogue_has_a_row_for_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    columns = {"method", "what it does", "needs", "controls", "evidence", "measured"}
    assert columns == set(printed["Algorithms"]["rows"][0])
    assert {"method", "seam", "what it does"} == set(printed["control"]["rows"][0])
    rows = [row["method"] for table in printed.values() if isinstance(table, dict) for row in table.get("rows", ())]
    assert sorted(rows) == sorted(METHODS)
    assert set(printed["measured"]) == {name for name, method in METHODS.items() if method.kind != "control"}
    assert main(["methods", "entropy_advantage", "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert page["paper"] == "arXiv 2506.14758"
    assert "kappa" in [row["setting"] for row in page["settings"]["rows"]]

"""The section about process rewards, from files that `forage prm rank` leaves and from metrics."""

import json
import math
import random
from pathlib import Path

import pytest

from forage.report.blocks import Figures, Solutions, Statements
from forage.report.group import read_runs
from forage.report.page import build_report
from forage.report.sections import process
from forage.reward_models.prm.rank import Candidate, rank
from forage.store.run_directory import RunDirectory
from report import synthetic

POOLS = {
    f"p{number}": [
        Candidate((0.9, 0.8), "1", True, 0.7, "make 10", ("try <b>1 + 9</b>", "so 10")),
        Candidate((0.95, 0.1 * number), "2", False, 0.2, "make 10", ("try 2", "so 11")),
    ]
    for number in range(10)
}

HELD_OUT = {
    "held_out": 7,
    "calibration": {"brier": 0.1, "ece": 0.05, "accuracy": 0.9, "curve": [[0.1, 0.2, 9], [0.8, 0.7, 1]]},
    "first_errors": {"located": 0.5, "accepted": None, "f1": 0.0, "exact": 0.4, "wrong": 4, "clean": 0},
}


def run_with(folder: Path, *, ranked: bool, hacked: bool | None) -> Path:
    path = folder / "run"
    RunDirectory.create(path, synthetic.recipe(["raft"], 0))
    rng = random.Random(0)
    if hacked is not None:
        for step in range(1, 61):
            row = {"step": step, "process": 0.3 + 0.005 * step + rng.gauss(0, 0.02)}
            row["correct"] = 0.2 + (0 if hacked else 0.005 * step) + rng.gauss(0, 0.02)
            RunDirectory.open(path).append_metrics(row)
    if ranked:
        (path / "process").mkdir()
        found = rank(POOLS, [1, 2], ["min", "sum"])
        row = {"model": "m", "policy": "raft", "held_out": HELD_OUT, **found.to_json()}
        (path / "process" / "a.json").write_text(json.dumps(row))
        (path / "process" / "other.json").write_text("[1]")
        (path / "process" / "broken.json").write_text("{")
    return path


def test_curves_bands_reliability_and_solutions(tmp_path: Path) -> None:
    found = process.section(read_runs([run_with(tmp_path, ranked=True, hacked=None)]))
    assert found is not None
    figures, solutions = found.blocks
    assert isinstance(figures, Figures)
    assert isinstance(solutions, Solutions)
    names = [series.label for series in figures.legend]
    assert names[:3] == ["process model, min", "process model, sum", "outcome model"]
    curves, reliability = figures.figures
    # Of two samples the lowest score chooses the right one, but p8 ties (.8) and p9 is wrong (.9): 8.5 of 10.
    assert [t["y"][1] for t in curves.traces if t.get("name") == "process model, min"] == [0.85]
    assert [t["y"][1] for t in curves.traces if t.get("name") == "outcome model"] == [1.0]
    assert sum(count for count, _ in reliability.traces[1]["customdata"]) == 40
    assert [reliability.traces[2][axis] for axis in "xy"] == [(0.1, 0.8), (0.2, 0.7)]
    assert "50.0% of 4 wrong ones" in str(reliability.how)
    assert [each.correct for each in solutions.solutions] == [True, True, True, False]
    assert [step.score for step in solutions.solutions[0].steps] == [0.9, 0.8]


def test_hacking_is_said_and_health_too(tmp_path: Path) -> None:
    for hacked, words in ((True, "Reward hacking"), (False, "no sign of reward hacking")):
        found = process.section(read_runs([run_with(tmp_path / str(hacked), ranked=False, hacked=hacked)]))
        assert found is not None
        (watch,) = found.blocks
        assert isinstance(watch, Statements)
        assert words in str(watch.items[0].text)


def test_a_short_run_is_not_called_healthy(tmp_path: Path) -> None:
    path = run_with(tmp_path, ranked=False, hacked=None)
    RunDirectory.open(path).append_metrics({"step": 1, "process": 0.5, "correct": 0.1})
    found = process.section(read_runs([path]))
    assert found is not None
    assert "too few steps" in str(found.blocks[0].items[0].text)  # pyright: ignore[reportAttributeAccessIssue]


def test_many_ways_of_choosing_are_told_apart(tmp_path: Path) -> None:
    path = run_with(tmp_path, ranked=True, hacked=None)
    found = rank(POOLS, [1, 2], ["min", "product", "mean", "last", "max"])
    (path / "process" / "a.json").write_text(json.dumps({"model": "m", **found.to_json()}))
    section = process.section(read_runs([path]))
    assert section is not None
    looks = [
        (trace["line"]["color"], trace["line"]["dash"])
        for trace in section.blocks[0].figures[0].traces  # pyright: ignore[reportAttributeAccessIssue]
        if "name" in trace
    ]
    assert len(looks) == len(set(looks)) == 10


def test_an_estimate_that_is_none_is_left_out(tmp_path: Path) -> None:
    unanswered = {"a": [Candidate((0.5,), None, True), Candidate((0.4,), None, False)]}
    curves = rank(unanswered, [1, 2], ["min"]).to_json()["curves"]
    assert curves["majority vote"] == [[None] * 3] * 2


def test_without_process_rewards_there_is_no_section(tmp_path: Path) -> None:
    assert process.section(read_runs([run_with(tmp_path, ranked=False, hacked=None)])) is None


def test_the_page_escapes_and_shades(tmp_path: Path) -> None:
    text = build_report([run_with(tmp_path, ranked=True, hacked=None)], tmp_path / "report.html").read_text()
    assert "try &lt;b&gt;1 + 9&lt;/b&gt;" in text
    assert '<span style="--part: 90%">' in text


def test_reliability_by_hand() -> None:
    # Scores .2 and .8 of a right solution, .2 of a wrong one: bin .2 is half right, bin .8 right.
    found = rank({"a": [Candidate((0.2, 0.8), "1", True), Candidate((0.2,), "2", False)]}, [1], ["min"])
    assert found.reliability is not None
    assert found.reliability.brier == pytest.approx((0.64 + 0.04 + 0.04) / 3)
    assert not any(math.isnan(value) for row in found.reliability.curve for value in row)
    assert "outcome model" not in found.curves

"""The section about process rewards, from files that `forage prm rank` leaves and from metrics."""

import json
import math
import random
from pathlib import Path

import pytest

from forage.process.rank import Candidate, rank
from forage.report.blocks import Figures, Solutions, Statements
from forage.report.grouping import read_runs
from forage.report.page import build_report
from forage.report.sections import process
from forage.store.run_directory import RunDirectory
from report import synthetic

POOLS = {
    f"p{number}": [
        Candidate((0.9, 0.8), "1", True, 0.7, "make 10", ("try <b>1 + 9</b>", "so 10")),
        Candidate((0.95, 0.1 * number), "2", False, 0.2, "make 10", ("try 2", "so 11")),
    ]
    for number in range(10)
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
        (path / "process" / "a.json").write_text(json.dumps({"model": "m", "policy": "raft", **found.to_json()}))
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
    assert [each.correct for each in solutions.solutions] == [True, True, True, False]
    assert [step.score for step in solutions.solutions[0].steps] == [0.9, 0.8]


def test_hacking_is_said_and_health_too(tmp_path: Path) -> None:
    for hacked, words in ((True, "Reward hacking"), (False, "no sign of reward hacking")):
        found = process.section(read_runs([run_with(tmp_path / str(hacked), ranked=False, hacked=hacked)]))
        assert found is not None
        (watch,) = found.blocks
        assert isinstance(watch, Statements)
        assert words in str(watch.items[0].text)


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

"""Strategies, tables of uncertainty and planning marks: their numbers, and what the page says without them."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from forage.analysis import FILE, Analysis
from forage.analysis.measures.alarms import Alarm, Cause
from forage.analysis.record import Reference, ReferencePoint
from forage.analysis.tables import entropy_table
from forage.ops.resampling import Interval
from forage.report import build_report
from forage.report.blocks import Figure, Figures, Grid, Prose, Responses, Section, Statements
from forage.report.group import read_runs
from forage.report.load import Runs
from forage.report.sections import responses, strategy, uncertainty
from forage.store.run_directory import RunDirectory
from report import synthetic


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = synthetic.write_run(tmp_path_factory.mktemp("analyzed") / "grpo", ["grpo"], 1, steps=40)
    synthetic.write_analysis(path, steps=(10, 20, 30))
    return path


def of(path: Path) -> tuple[Runs, Analysis]:
    return read_runs([path]), Analysis.load(path / FILE)


def figures(section: Section | None) -> dict[str, Figure]:
    assert section is not None
    return {f.id: f for block in section.blocks if isinstance(block, Figures) for f in block.figures}


def test_curves_hold_the_numbers_of_the_analysis(analyzed: Path) -> None:
    runs, found = of(analyzed)
    drawn = figures(strategy.section(runs))
    drawn_panels = {f"strategy-{panel.id}" for panel in strategy.PANELS if panel.of != "reference"}
    assert set(drawn) == drawn_panels | {"grams-s0", "strategy-token-path", "strategy-gram-path"}
    band, line = drawn["strategy-gram-entropy"].traces
    values = [point.diversity for point in found.strategy]
    assert line["x"] == [10, 20, 30, 40]
    assert line["y"] == [value.estimate for value in values if value]
    assert band["y"] == [v.high for v in values if v] + [v.low for v in reversed(values) if v]
    words = {trace["name"]: trace["y"] for trace in drawn["grams-s0"].traces}
    assert set(words) == {"try", "check", "so", "let", "wait", "back"}
    assert words["try"][0] == pytest.approx(dict(found.strategy[0].common)["try"] / 48)
    dashed = [t for t in drawn["strategy-train-pass"].traces if t["line"].get("dash") == "dash"]
    assert [t["y"] for t in dashed] == [[p.pass_at_1.estimate for p in found.track if p.pass_at_1]]


def test_paths_join_entropy_and_solved_problems(analyzed: Path) -> None:
    runs, found = of(analyzed)
    drawn = figures(strategy.section(runs))
    for name, entropies in (
        ("token", [point.entropy for point in found.track]),
        ("gram", [point.diversity for point in found.strategy]),
    ):
        (path,) = drawn[f"strategy-{name}-path"].traces
        assert path["x"] == [value.estimate for value in entropies if value]
        assert path["y"] == [point.pass_at_k.estimate for point in found.track if point.pass_at_k]
        assert path["text"][0] == "step 10"


def test_the_fixed_text_has_a_curve_of_its_own(analyzed: Path) -> None:
    runs, found = of(analyzed)
    points = tuple(
        ReferencePoint(step=step, planning=Interval(1 - 0.01 * step, 0.5, 1.0), execution=Interval(1.0, 0.9, 1.1))
        for step in (0, 10, 20)
    )
    reference = Reference(
        source="step 10", responses=9, problems=3, planning=90, execution=200, points=points, phases=None
    )
    entry = replace(runs.groups[0].entries[0], analysis=replace(found, reference=reference))
    section = strategy.section(replace(runs, groups=[replace(runs.groups[0], entries=[entry])]))
    band, solid, dashed = figures(section)["strategy-fixed-text"].traces
    assert solid["x"] == [0, 10, 20]
    assert solid["y"] == [1.0, 0.9, 0.8]
    assert dashed["line"]["dash"] == "dash"
    assert band["y"] == [1.0] * 3 + [0.5] * 3
    assert section is not None
    (told,) = [block for block in section.blocks if isinstance(block, Statements)]
    assert any("phases cannot be determined from 3 policies" in str(item.text) for item in told.items)


def test_every_picture_says_how_to_read_it(analyzed: Path) -> None:
    runs, _ = of(analyzed)
    for figure in (*figures(strategy.section(runs)).values(), *figures(uncertainty.section(runs)).values()):
        assert len(str(figure.how)) > 80
        assert figure.alt


def test_the_table_is_that_of_the_command(analyzed: Path) -> None:
    runs, found = of(analyzed)
    section = uncertainty.section(runs)
    assert section is not None
    (grid,) = [block for block in section.blocks if isinstance(block, Grid)]
    table = entropy_table(found)
    assert [row[0].main for row in grid.rows] == [row[0].text for row in table.rows]
    marks = [row[-1].tone for row in grid.rows]
    assert marks == [None if not r[-1].marked else "up" if r[-1].value > 0 else "down" for r in table.rows]
    assert {"up", "down", None} == set(marks)
    operators = next(row for row in grid.rows if row[0].main == "operators")
    assert float(str(operators[3].main)) == pytest.approx(0.94, abs=0.05)
    (prose,) = [block for block in section.blocks if isinstance(block, Prose)]
    assert "10% would be no change" in str(prose.paragraphs[0])


def test_planning_tokens_are_marked(analyzed: Path) -> None:
    section = responses.section(read_runs([analyzed]))
    assert section is not None
    (block,) = [b for b in section.blocks if isinstance(b, Responses)]
    assert block.marks_planning
    for run in block.runs:
        for response in run.responses:
            for token in response.tokens:
                assert token.planning is (token.text.strip() in ("try", "let", "check", "wait", "back", "so"))


def test_a_run_that_nobody_analysed_says_how(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "grpo", ["grpo"], 1, steps=12)
    runs = read_runs([path])
    section = strategy.section(runs)
    assert section is not None
    (prose,) = section.blocks
    assert isinstance(prose, Prose)
    assert "forage analyze" in str(prose.paragraphs[0])
    assert uncertainty.section(runs) is None
    shown = responses.section(runs)
    assert shown is not None
    assert not any(block.marks_planning for block in shown.blocks if isinstance(block, Responses))


def test_alarms_are_said(analyzed: Path) -> None:
    runs, found = of(analyzed)
    cause = Cause(key="length", what="the length of responses", why="x", before=50, after=20, strength=9)
    alarm = Alarm(kind="collapse", step=9, start=0.4, level=0.05, last=0.04, causes=(cause,), missing=())
    entry = replace(runs.groups[0].entries[0], analysis=replace(found, alarms=(alarm,)))
    section = strategy.section(replace(runs, groups=[replace(runs.groups[0], entries=[entry])]))
    assert section is not None
    (told,) = [block for block in section.blocks if isinstance(block, Statements)]
    assert told.items[0].tone == "caution"
    assert "the length of responses fell from 50 to 20" in str(told.items[0].text)


def test_values_that_are_missing_leave_gaps(analyzed: Path) -> None:
    runs, found = of(analyzed)
    gap = replace(found.strategy[1], diversity=None, strategies=None)
    entry = replace(
        runs.groups[0].entries[0], analysis=replace(found, strategy=(found.strategy[0], gap, found.strategy[2]))
    )
    drawn = figures(strategy.section(replace(runs, groups=[replace(runs.groups[0], entries=[entry])])))
    assert drawn["strategy-gram-entropy"].traces[-1]["x"] == [10, 30]
    assert drawn["strategy-distinct"].traces[-1]["x"] == [10, 30]


def test_one_step_is_too_little_for_curves(analyzed: Path) -> None:
    runs, found = of(analyzed)
    entry = replace(
        runs.groups[0].entries[0], analysis=replace(found, track=found.track[:1], strategy=found.strategy[:1])
    )
    section = strategy.section(replace(runs, groups=[replace(runs.groups[0], entries=[entry])]))
    assert section is not None
    assert figures(section) == {}
    assert any(isinstance(b, Prose) and "at least two steps" in str(b.paragraphs[0]) for b in section.blocks)


def test_one_problem_gives_lines_without_bands(analyzed: Path) -> None:
    runs, found = of(analyzed)
    points = tuple(replace(point, entropy=Interval(0.4, math.nan, math.nan)) for point in found.track)
    entry = replace(runs.groups[0].entries[0], analysis=replace(found, track=points))
    drawn = figures(strategy.section(replace(runs, groups=[replace(runs.groups[0], entries=[entry])])))
    assert [trace.get("fill") for trace in drawn["strategy-token-entropy"].traces] == [None]


def test_damage_is_noted_and_grams_are_escaped(analyzed: Path, tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "grpo", ["grpo"], 1, steps=12)
    (path / FILE).write_text("{")
    runs = read_runs([path])
    assert any("analysis" in note for note in runs.notes)
    found = Analysis.load(analyzed / FILE)
    assert found.rare is not None
    hostile = "<script>alert(1)</script>"
    common = tuple((hostile, count) for _, count in found.strategy[0].common[:1])
    points = tuple(replace(point, common=common) for point in found.strategy)
    replace(found, strategy=points, rare=replace(found.rare, examples=(hostile,))).save(path / FILE)
    assert hostile not in build_report([path], tmp_path / "report.html").read_text()


def test_what_an_environment_wrote_is_told_apart(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "grpo", ["grpo"], 1, steps=2)
    run = RunDirectory.open(path)
    with run.lock():
        rows = synthetic.rollout_rows(2, bonus=0.0, seed=1)
        for row in rows:
            row["given"] = [[1, 3]]
            for column in ("logprobs", "entropies", "advantages"):
                row[column][1:3] = [math.nan, math.nan]
        run.write_rollouts(2, rows)
    shown = responses.section(read_runs([path]))
    assert shown is not None
    (block,) = shown.blocks
    assert isinstance(block, Responses)
    assert block.marks_given
    for response in block.runs[0].responses:
        assert [place for place, token in enumerate(response.tokens) if token.given] == [1, 2]
        assert f"{len(response.tokens) + response.left_out - 2} tokens" in response.facts
        assert "answered 1 time by the environment" in response.facts
    page = build_report([path], out=tmp_path / "report.html").read_text()
    assert '<span class="given">italic</span>' in page
    assert '<span class="given" data-e="0"' in page

"""The panel on ways of being right: drawn where modes were counted, in words that the numbers bear, and else absent."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from forage.evaluation.evaluation import Evaluation
from forage.report import build_report
from forage.report.blocks import Figures, Statement, Statements
from forage.report.group import read_runs
from forage.report.sections import pass_at_k, summary, ways
from report import synthetic


def with_modes(path: Path, *, ways: int) -> None:
    """Counts the right answers of every problem as `ways` modes of about equal size."""
    for file in (path / "evals").glob("*.json"):
        run = Evaluation.load(file)
        problems = [
            replace(
                one, modes={str(mode): len(range(mode, one.correct, ways)) for mode in range(min(ways, one.correct))}
            )
            for one in run.problems
        ]
        replace(run, problems=tuple(problems)).save(file)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    lab = synthetic.write_lab(tmp_path_factory.mktemp("counted"), seeds=2, steps=10)
    for path in lab:
        with_modes(path, ways=4 if path == lab[0] else 1)
    return lab


def test_without_modes_there_is_no_panel(lab: list[Path]) -> None:
    assert ways.section(read_runs(lab)) is None


def test_the_panel_says_what_was_lost(counted: list[Path]) -> None:
    section = ways.section(read_runs(counted))
    assert section is not None
    assert section.title == "How many ways each policy still knows"
    figures, words = section.blocks
    assert isinstance(figures, Figures)
    assert [figure.id for figure in figures.figures] == ["distinct-at-k", "pcmd"]
    assert isinstance(words, Statements)
    base, *others = words.items
    assert "differ in 7" in base.text  # 3/4 of pairs, unbiased: a little above
    assert others
    assert all("differ in 0.0% of pairs" in one.text and "lower" in one.text for one in others)
    assert {one.tone for one in others} == {"down"}


def test_both_curves_over_k_are_drawn_alike(counted: list[Path]) -> None:
    runs = read_runs(counted)
    section = ways.section(runs)
    assert section is not None
    first = next(block for block in pass_at_k.section(runs).blocks if isinstance(block, Figures)).figures[0]
    second = next(block for block in section.blocks if isinstance(block, Figures)).figures[0]
    assert first.layout["xaxis"] == second.layout["xaxis"]


def test_the_page_holds_the_panel(counted: list[Path], tmp_path: Path) -> None:
    page = build_report(counted, tmp_path / "report.html").read_text()
    assert "How many ways each policy still knows" in page


def test_the_summary_counts_right_answers_in_a_few_samples(
    counted: list[Path], lab: list[Path], tmp_path: Path
) -> None:
    def lines(paths: list[Path]) -> list[Statement]:
        blocks = [block for block in summary.section(read_runs(paths)).blocks if isinstance(block, Statements)]
        return [item for block in blocks for item in block.items if "Different right answers within" in item.text]

    assert lines(lab) == []
    shown = lines(counted)
    assert shown
    assert {one.tone for one in shown} == {"down"}  # the base has four modes, every run one
    equal = [Path(shutil.copytree(path, tmp_path / path.name)) for path in counted]
    for path in equal:
        with_modes(path, ways=4)
    assert {one.tone for one in lines(equal)} == {"up"}  # as many modes as the base, and right more often

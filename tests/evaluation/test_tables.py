"""Rows that are shown: a cell for every column, and the numbers behind the text."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from forage.core.records import SamplingParams
from forage.evaluation.bootstrap import Interval
from forage.evaluation.compare import Crossover
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.evaluation.tables import crossover_text, curve_table, difference_table, interval_text, majority_table

Make = Callable[..., Evaluation]


def test_curves_have_a_cell_for_every_column(evaluation: Make) -> None:
    groups = {"base": [evaluation([1, 2, 3], 8)], "grpo": [evaluation([4, 4, 4], 8), evaluation([2, 2, 2], 8)]}
    table = curve_table(groups, [1, 4])
    assert table.columns[:5] == ("policy", "runs", "T", "pass@1", "pass@4")
    assert {len(row) for row in table.rows} == {len(table.columns)}
    base = dict(zip(table.columns, table.rows[0], strict=True))
    assert base["pass@1"].value == pytest.approx(0.25)
    assert base["pass@1"].low <= 0.25 <= base["pass@1"].high
    assert base["pass@1"].text.startswith("0.250 [")
    assert base["majority"].text == "n/a"
    assert base["length"].text == "10.0"
    assert base["truncated"].text == "0.0%"
    assert base["committed"].text == "25.0%"
    assert base["entropy"].text == "0.400"
    assert [cell.text for cell in table.rows[1][:3]] == ["grpo", "2", "1"]


def test_differences_are_signed_and_marked(evaluation: Make) -> None:
    base = [evaluation([8] * 30, 64, label="base")]
    others = {
        "better": [evaluation(np.full(30, 20), 64), evaluation(np.full(30, 21), 64)],
        "same": [evaluation([4, 12] * 15, 64, temperature=0.4)],
    }
    table = difference_table(base, others, [4, 1])
    assert {len(row) for row in table.rows} == {len(table.columns)}
    better, same = (dict(zip(table.columns, row, strict=True)) for row in table.rows[1:])
    assert table.rows[0][0].text == "base"
    assert better["pass@1"].text.startswith("+0.195 [+")
    assert better["pass@1"].marked
    assert not same["pass@1"].marked
    assert same["T"].text == "0.4"
    assert better["lost"].text == "0"
    assert better["crossover"].text == "none (0% of draws)"
    assert any("sampled with different settings" in note for note in table.notes)


def test_many_differences_come_with_a_warning(evaluation: Make) -> None:
    base, other = [evaluation([1, 2], 16)], [evaluation([1, 2], 16)]
    many = difference_table(base, {str(i): other for i in range(5)}, [1, 2])
    assert any("10 differences are shown" in note for note in many.notes)
    assert len(set(many.notes)) == len(many.notes)


def test_texts() -> None:
    assert interval_text(Interval(-0.0951, -0.16, -0.031), signed=True) == "-0.095 [-0.160, -0.031]"
    assert interval_text(Interval(math.nan, math.nan, math.nan)) == "n/a"
    assert crossover_text(Crossover(16.2, 9.4, 30.6, 0.97)) == "k = 16 [9, 31] (97% of draws)"
    assert crossover_text(Crossover(16.2, math.nan, math.nan, 0.0)) == "k = 16 (0% of draws)"
    assert crossover_text(Crossover(math.nan, math.nan, math.nan, 0.04)) == "none (4% of draws)"


def test_majority_table_by_hand() -> None:
    # Of four responses three say 7, which is right: alone each is right with .75, and the vote of all four always.
    outcome = ProblemOutcome(problem="a", n=4, correct=3, committed=4, answers={"7": 3, "8": 1}, right_answers={"7": 3})
    run = Evaluation(
        label="x", checkpoint="x", task={}, split="test", params=SamplingParams(), n=4, seed=0, problems=(outcome,)
    )
    table = majority_table({"x": [run]}, [1, 4])
    assert table.columns == ("policy", "majority@1", "majority@4")
    assert [cell.value for cell in table.rows[0][1:]] == [0.75, 1.0]

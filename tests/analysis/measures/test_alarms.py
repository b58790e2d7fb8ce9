"""Alarms: when they ring, and that they name what was measured and nothing else."""

import math
import random
from collections.abc import Callable

import pytest

from forage.analysis.measures.alarms import SUSPECTS, entropy_alarms

Row = dict[str, float]


def run(steps: int, **columns: float | Callable[[float], float]) -> list[Row]:
    """Rows of metrics; a column is a number with noise around it, or a function of the step's share of the run."""
    rng = random.Random(7)
    rows = []
    for step in range(1, steps + 1):
        row: Row = {"step": float(step)}
        for key, shape in columns.items():
            value = shape(step / steps) if callable(shape) else shape
            row[key] = value * (1 + 0.02 * rng.gauss(0, 1))
        rows.append(row)
    return rows


def collapse(done: float) -> float:
    return 0.4 * math.exp(-4 * done)


def test_a_healthy_run_is_silent() -> None:
    assert entropy_alarms(run(100, entropy=lambda done: 0.4 - 0.2 * done, positive_share=0.4, length=50)) == ()


def test_collapse_names_what_rose_before_it() -> None:
    (alarm,) = entropy_alarms(
        run(100, entropy=collapse, positive_share=lambda done: 0.3 + 0.5 * done, length=50, clip_high=0.01)
    )
    assert alarm.kind == "collapse"
    assert 25 < alarm.step < 50
    assert alarm.level < 0.25 * alarm.start
    assert [cause.key for cause in alarm.causes] == ["positive_share"]
    assert alarm.missing == ("zero_variance", "grad_norm")
    sentence = alarm.sentence()
    assert "share of tokens with A > 0 rose from 0.3" in sentence
    assert "Not recorded: zero_variance, grad_norm." in sentence


def test_a_move_in_the_other_direction_is_no_cause() -> None:
    (alarm,) = entropy_alarms(run(100, entropy=collapse, positive_share=lambda done: 0.6 - 0.4 * done, length=50))
    assert alarm.causes == ()
    assert "the cause is not known" in alarm.sentence()


def test_explosion_names_length_and_truncation() -> None:
    def rising(done: float) -> float:
        return 0.4 * math.exp(3 * max(done - 0.4, 0))

    (alarm,) = entropy_alarms(
        run(200, entropy=rising, length=lambda done: 50 + 60 * done, truncated=lambda done: 0.01 + 0.3 * done,
            positive_share=0.4, clip_low=0.01, bonus_share=0.2, grad_norm=0.5)
    )  # fmt: skip
    assert alarm.kind == "explosion"
    assert {cause.key for cause in alarm.causes} == {"length", "truncated"}
    assert alarm.missing == ()
    assert "responses cut off rose" in alarm.sentence()


def test_what_moves_only_after_the_onset_is_no_cause() -> None:
    def late(done: float) -> float:
        return 0.8 if done > 0.6 else 0.3

    (alarm,) = entropy_alarms(run(100, entropy=collapse, positive_share=late))
    assert alarm.step < 60
    assert alarm.causes == ()


def test_both_in_order() -> None:
    def wild(done: float) -> float:
        return 0.05 if 0.3 < done < 0.5 else 2.0 if done > 0.7 else 0.4

    assert [alarm.kind for alarm in entropy_alarms(run(100, entropy=wild))] == ["collapse", "explosion"]


def test_an_absolute_floor() -> None:
    assert [alarm.kind for alarm in entropy_alarms(run(60, entropy=lambda done: 0.03 - 0.02 * done))] == ["collapse"]
    assert entropy_alarms(run(60, entropy=0.01)) == ()  # it began there: nothing collapsed


@pytest.mark.parametrize("rows", [[], run(4, entropy=0.4), run(50, length=3.0), run(50, entropy=math.nan)])
def test_too_little_to_judge(rows: list[Row]) -> None:
    assert entropy_alarms(rows) == ()


def test_suspects_are_metrics_that_training_records() -> None:
    recorded = {
        "positive_share", "clip_high", "clip_low", "length", "truncated", "zero_variance", "grad_norm", "bonus_share",
    }  # fmt: skip
    assert {suspect.key for suspects in SUSPECTS.values() for suspect in suspects} == recorded

"""Modes in the metrics of a step."""

import pytest

from forage.core.records import UNJUDGED, Group, Problem, Rollout, Score, Start
from forage.evaluation.metrics.rollout_metrics import rollout_metrics


def group(*scores: Score) -> Group:
    start = Start(Problem("p", "?", "1", "toy"))
    rollout = Rollout(start, (1,), (-1.0,), (0.5,), "1", (1,), "eos", 0)
    return Group(start, (rollout,) * len(scores), scores)


def right(mode: str) -> Score:
    return Score(1.0, {"correct": 1.0}, mode=mode)


WRONG = Score(0.0, {"correct": 0.0})


def test_modes_of_a_step() -> None:
    groups = [group(right("a"), right("a"), right("b"), WRONG), group(right("a"), right("a")), group(WRONG, UNJUDGED)]
    found = rollout_metrics(groups, modes=True)
    assert found["distinct_modes"] == pytest.approx((2 + 1 + 0) / 3)
    assert found["pcmd"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["all_right"] == pytest.approx(1 / 3)


def test_without_two_right_answers_pcmd_is_not_known() -> None:
    assert "pcmd" not in rollout_metrics([group(right("a"), WRONG)], modes=True)


def test_a_task_without_modes_has_no_such_metrics() -> None:
    assert not {"pcmd", "distinct_modes"} & set(rollout_metrics([group(WRONG, Score(1.0, {"correct": 1.0}))]))

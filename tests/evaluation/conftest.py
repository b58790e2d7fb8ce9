"""Evaluations made from counts, for the tests of this folder."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from forage.core.records import SamplingParams
from forage.evaluation.evaluation import Evaluation, ProblemOutcome

MakeEvaluation = Callable[..., Evaluation]


def make(
    correct: Sequence[int], n: int, *, label: str = "policy", temperature: float = 1.0, **changes: Any
) -> Evaluation:
    """An evaluation whose problem i was solved correct[i] times in n; problems are called p0, p1, ..."""
    unjudged = changes.pop("unjudged", [0] * len(correct))
    outcomes = tuple(
        ProblemOutcome(
            problem=f"p{index}",
            n=n,
            correct=int(c),
            unjudged=int(u),
            committed=int(c),
            length_sum=10 * n,
            entropy_sum=4.0 * n,
        )
        for index, (c, u) in enumerate(zip(correct, unjudged, strict=True))
    )
    values: dict[str, Any] = {"checkpoint": "runs/x", "task": {"part": "toy"}, "split": "test", "seed": 0, **changes}
    return Evaluation(label=label, n=n, params=SamplingParams(temperature=temperature), problems=outcomes, **values)


@pytest.fixture
def evaluation() -> MakeEvaluation:
    return make

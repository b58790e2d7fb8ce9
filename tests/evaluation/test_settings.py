"""Evaluations that were made otherwise are refused, or it is said in what they differ."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from forage.core.errors import ForageError
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.settings import check_verifiers, unequal_settings

Make = Callable[..., Evaluation]

MATH = {"part": "forage.tasks.verifiers.mathematics:Math", "digits": 6}
KNOWN = {"sampled_by": {"dtype": "float32", "stops": []}, "judged_by": {"deadline": 5.0}}


def table(verifier: dict[str, object], **more: object) -> dict[str, object]:
    return {"part": "table", "verifier": verifier, **more}


def test_different_verifiers_are_refused(evaluation: Make) -> None:
    base = evaluation([1], 4, task=table(MATH))
    loose = {"part": "forage.tasks.verifiers.plain:Numeric", "tolerance": 0.1}
    for other in (loose, {**MATH, "digits": 2}):
        with pytest.raises(ForageError, match=r"different verifiers .*Math\(digits=6\).* only judges them again"):
            check_verifiers({"base": [base], "grpo": [evaluation([1], 4, task=table(other))]})
    inside = {"part": "stepwise", "task": table({**loose})}
    with pytest.raises(ForageError, match="different verifiers"):
        check_verifiers({"base": [base], "grpo": [evaluation([1], 4, task=inside)]})


def test_another_spelling_of_a_verifier_is_the_same_one(evaluation: Make) -> None:
    newer = {"part": "math", "digits": 6, "strict": True}
    check_verifiers({"base": [evaluation([1], 4, task=table(MATH))], "grpo": [evaluation([1], 4, task=table(newer))]})


def test_what_differs_is_said(evaluation: Make) -> None:
    base = evaluation([1], 4, **KNOWN)
    assert unequal_settings({"base": [base], "grpo": [base]}) == ()
    longer = replace(base, params=replace(base.params, max_tokens=64), judged_by={"deadline": 1.0})
    said = " ".join(unequal_settings({"base": [base], "grpo": [longer]}))
    assert "sampled with different settings: max_tokens 120 / 64" in said
    assert "judged with different settings: deadline 5.0 / 1.0" in said
    stopped = replace(base, sampled_by={"dtype": "float32", "stops": ["."]})
    assert 'stops [] / ["."]' in " ".join(unequal_settings({"base": [base], "grpo": [stopped]}))
    unknown = replace(base, sampled_by={}, judged_by={})
    assert "is not known" in " ".join(unequal_settings({"base": [base], "grpo": [unknown]}))

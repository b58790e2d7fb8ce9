"""Progress from a step on, by hand, beside the response's own advantage."""

from dataclasses import replace

import pytest
import torch

from forage.core.batch import Experience
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.records import Group
from forage.parts.credit.assign.progress_returns import ProgressReturns
from forage.parts.credit.assign.step_returns import StepReturns
from support.builders import group, rollout


def experience() -> Experience:
    """Two prompt tokens; a response of 2, 1 and 1 tokens a step, progress .5, -.25, .125; and one of a single step."""
    plain = group([1.0, 0.0], lengths=[4, 2])
    first = rollout(plain.start, range(5, 9), steps=(2, 3, 4))
    batch = collate([Group(plain.start, (first, plain.rollouts[1]), plain.scores)], lambda problem: (1, 2))
    progress = torch.tensor([[0, 0, 0, 0.5, -0.25, 0.125], [0, 0, 0, -1.0, 0, 0]])
    return Experience(batch, {"answer_progress": progress})


def credit(part: ProgressReturns | StepReturns, value: list[float], seen: Experience) -> list[list[float]]:
    return part(torch.tensor(value, dtype=torch.float64), seen).tolist()


def test_by_hand() -> None:
    # discount 0: .5, .5, -.25, .125 beside the advantage 1; the second response loses 1 from its advantage of -1.
    assert credit(ProgressReturns(), [1.0, -1.0], experience()) == [[0, 0, 1.5, 1.5, 0.75, 1.125], [0, 0, -2, -2, 0, 0]]
    # discount 1: .375, .375, -.125, .125, times 2.
    summed = credit(ProgressReturns(discount=1.0, weight=2.0), [0.0, 0.0], experience())
    assert summed == [[0, 0, 0.75, 0.75, -0.25, 0.25], [0, 0, -2, -2, 0, 0]]
    halved = credit(ProgressReturns(discount=0.5), [0.0, 0.0], experience())
    assert halved[0] == [0, 0, 0.5 - 0.125 + 0.03125, 0.5 - 0.125 + 0.03125, -0.25 + 0.0625, 0.125]


def test_what_was_not_judged_gets_nothing_and_no_progress_is_the_advantage() -> None:
    assert credit(ProgressReturns(), [float("nan"), 1.0], experience())[0] == [0] * 6
    still = replace(experience(), signals={"answer_progress": torch.zeros(2, 6)})
    assert credit(ProgressReturns(discount=1.0), [0.25, -3.0], still) == [[0, 0, *[0.25] * 4], [0, 0, -3, -3, 0, 0]]


def test_it_is_step_returns_of_another_reward() -> None:
    seen = experience()
    scored = replace(seen.batch, step_reward=seen.signals["answer_progress"])
    for discount in (0.0, 0.3, 1.0):
        ours = credit(ProgressReturns(discount=discount), [0.5, -0.5], seen)
        assert ours == credit(StepReturns(discount=discount), [0.5, -0.5], Experience(scored, {}))


def test_settings() -> None:
    for settings, sentence in (({"discount": -0.1}, "between 0 and 1"), ({"weight": float("inf")}, "other than 0")):
        with pytest.raises(ForageError, match=sentence):
            ProgressReturns(**settings)

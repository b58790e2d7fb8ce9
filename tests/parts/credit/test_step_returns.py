"""Dense credit and the best sibling, by hand. The laws of the parts are in test_laws.py."""

import math

import pytest
import torch

from forage.core.batch import Experience
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.records import Group, Score, Start
from forage.ops.returns import step_returns
from forage.parts.credit.assign.step_returns import StepReturns
from forage.parts.credit.assign.uniform import Uniform
from forage.parts.credit.baseline.best_of_group import BestOfGroup
from support.builders import problem, rollout


def experience() -> Experience:
    """Two prompt tokens, then steps of 2, 1, 2 tokens with rewards .5, -.25, 1; and a response without step scores."""
    start = Start(problem(prompt="ab"))
    rollouts = (rollout(start, range(5), steps=(2, 3, 5)), rollout(start, range(3)))
    group = Group(start, rollouts, (Score(1.0, steps=(0.5, -0.25, 1.0)), Score(2.0)))
    return Experience(collate([group], lambda _: (1, 2)), {})


@pytest.mark.parametrize(
    ("discount", "expected"),
    [
        (0.0, [1.5, 1.5, 0.75, 2.0, 2.0]),
        (1.0, [2.25, 2.25, 1.75, 2.0, 2.0]),
        (0.5, [1.625, 1.625, 1.25, 2.0, 2.0]),
    ],
)
def test_by_hand(discount: float, expected: list[float]) -> None:
    found = StepReturns(discount=discount)(torch.tensor([1.0, 2.0]), experience())
    assert found[0].tolist() == [0, 0, *expected]
    assert found[1].tolist() == [0, 0, 2, 2, 2, 0, 0]


def test_without_step_rewards_it_is_uniform_and_unjudged_is_nothing() -> None:
    both = experience()
    value = torch.tensor([math.nan, 2.0])
    assert torch.equal(StepReturns()(value, both)[1].float(), Uniform()(value, both)[1])
    assert (StepReturns()(value, both)[0] == 0).all()


def test_all_rewards_reach_the_first_step() -> None:
    batch = experience().batch
    found = step_returns(batch.step_reward, batch.step, batch.loss_mask, discount=1.0)
    assert found[0, 2].item() == batch.step_reward[0].sum().item()


@pytest.mark.parametrize("discount", [-0.1, 1.1, math.nan])
def test_impossible_discounts_are_refused(discount: float) -> None:
    with pytest.raises(ForageError, match="between 0 and 1"):
        StepReturns(discount=discount)


def test_only_the_best_sibling_counts() -> None:
    group = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2])
    value = torch.tensor([0.2, 0.9, 0.1, math.nan, 0.5, 0.5, 0.3, 0.3, 0.1])
    found = BestOfGroup()(value, group)
    assert found[:3].tolist() == [0, 3, 0]
    assert math.isnan(found[3])
    assert found[4:].tolist() == [0, 0, 1.5, 1.5, 0]

"""Values along responses are those that the step has found, at the places where it looked, and cost nothing."""

import math
from dataclasses import replace

import torch

from forage.core.records import Group, SamplingParams, Score, Start
from forage.parts.values import MonteCarlo, values_by_token
from parts.values.test_start_values import Heads
from support.builders import problem, rollout
from support.coins import Coins

PARAMS = SamplingParams(max_tokens=4)
GROUP = Group(
    Start(problem()),
    tuple(
        rollout(Start(problem()), tokens, steps=steps) for tokens, steps in (((1, 0, 1, 1), (1, 2, 4)), ((0,), (1,)))
    ),
    (Score(0.0), Score(0.0)),
)
LEARN = torch.tensor([[False, True, True, True, True], [False, True, False, False, False]])


def test_what_was_looked_at_is_shown_where_it_was() -> None:
    coins = Coins(heads=1.0, version=3)  # the version of the rollouts
    tools, task = coins.tools, Heads()
    assert values_by_token([GROUP], LEARN, tools, task) is None
    values = MonteCarlo(continuations=2).open(task, tools, PARAMS, seed=0)
    values.store(Start(problem()), [0.25, 0.5])
    values([Start(problem(), (1, 0))])  # one tail of four
    asked, found = len(coins.asked), values_by_token([GROUP], LEARN, tools, task)
    assert found is not None
    expected = torch.tensor([[math.nan, 0.375, math.nan, 0.75, math.nan], [math.nan, 0.375, *[math.nan] * 3]])
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert len(coins.asked) == asked
    later = tuple(replace(one, version=4) for one in GROUP.rollouts)
    assert values_by_token([replace(GROUP, rollouts=later)], LEARN, tools, task) is None, "of another policy"


def test_a_value_lies_on_the_policys_first_token_of_the_step() -> None:
    coins, start = Coins(heads=1.0, version=3), Start(problem())
    answered = replace(rollout(start, (1, 0, 1, 1), steps=(3, 4)), given=((1, 3),))
    tools = coins.tools
    MonteCarlo(continuations=2).open(Heads(), tools, PARAMS, seed=0)([start, Start(problem(), (1, 0, 1))])
    learned = torch.tensor([[False, True, False, False, True]])
    found = values_by_token([Group(start, (answered,), (Score(0.0),))], learned, tools, Heads())
    expected = torch.tensor([[math.nan, 1.0, math.nan, math.nan, 0.75]])
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_pooled_states_are_found_by_their_name() -> None:
    coins = Coins(heads=1.0, version=3)
    tools, task = coins.tools, Heads()
    MonteCarlo(continuations=2, equal="state").open(task, tools, PARAMS, seed=0)([Start(problem(), (0, 1))])
    found = values_by_token([GROUP], LEARN, tools, task)
    assert found is not None
    assert found[0, 3] == 0.75, "10 and 01 are one state"
    assert found.isnan().sum() == found.numel() - 1

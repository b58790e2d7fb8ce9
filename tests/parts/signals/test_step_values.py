"""The values that a response's steps begin with, on the chain of coins."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Group, Origin, SamplingParams, Score, Start
from forage.parts.signals.step_values import StepValues
from forage.parts.values import MonteCarlo
from support.builders import problem, rollout
from support.coins import Coins


def signal(coins: Coins, groups: list[Group], **settings: Any) -> torch.Tensor:
    part = StepValues(method=MonteCarlo(continuations=3), params=SamplingParams(max_tokens=4), **settings)
    return part(groups, collate(groups, coins.prompt), coins.tools, seed=1)


def of(start: Start, *responses: tuple[int, ...], score: Score | None = None) -> Group:
    """Every token a step."""
    rollouts = tuple(rollout(start, tokens, steps=range(1, len(tokens) + 1)) for tokens in responses)
    scores = tuple(score or Score(sum((*start.prefix, *tokens)) / 4) for tokens in responses)
    return Group(start, rollouts, scores)


def test_states_of_a_sure_policy_have_their_value_at_every_token() -> None:
    found = signal(Coins(heads=1.0), [of(Start(problem()), (1, 0, 0, 1), (0, 0))])
    torch.testing.assert_close(found, torch.tensor([[0, 1, 1, 0.75, 0.5], [0, 1, 0.75, 0, 0]]))


def test_values_lie_on_the_policys_tokens() -> None:
    """Two turns of a sure policy, the first one answered: the second begins behind the reply."""
    start = Start(problem())
    answered = replace(rollout(start, (0, 1, 0), steps=(2, 3)), given=((1, 2),))
    found = signal(Coins(heads=1.0), [Group(start, (answered,), (Score(0.5),))])
    torch.testing.assert_close(found, torch.tensor([[0, 1, 0, 0.75]]))


def test_equal_states_are_sampled_once_and_prefixes_are_exact() -> None:
    coins = Coins()
    start = Start(problem(), (1,), Origin.REPLAY)
    found = signal(coins, [of(start, (1, 0), (1, 1), (0, 1))])
    assert sorted(request.tokens for request in coins.asked) == [(9, 1), (9, 1, 0), (9, 1, 1)]
    assert all(request.group_size == 3 for request in coins.asked)
    assert (found[:, 2] == found[0, 2]).all()
    assert found[0, 3] == found[1, 3] != found[2, 3]
    assert not found[:, :2].any()


def test_steps_behind_the_last_valued_one_have_the_return() -> None:
    coins = Coins(heads=1.0)
    found = signal(coins, [of(Start(problem()), (0, 0, 1, 0))], max_steps=2)
    torch.testing.assert_close(found, torch.tensor([[0, 1, 0.75, 0.25, 0.25]]))
    assert len(coins.asked) == 2
    with pytest.raises(ForageError, match="max_steps"):
        StepValues(max_steps=0)


def test_unjudged_responses_cost_nothing_and_unjudged_states_have_the_return() -> None:
    coins = Coins(heads=1.0, broken=("1111",))
    assert not signal(coins, [of(Start(problem()), (1, 1), score=UNJUDGED)]).any()
    assert not coins.asked
    found = signal(coins, [of(Start(problem()), (1, 0))])
    torch.testing.assert_close(found, torch.tensor([[0, 0.25, 0.25]]))

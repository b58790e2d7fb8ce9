"""DGRO's baseline and its pull, by hand and against the objective they come from."""

import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.source_policy import soft_value_advantage, squared_pull

GROUP = torch.tensor([4, 4, 4, 9, 9])
REWARD = torch.tensor([1.0, 0.0, torch.nan, 0.3, 0.3], dtype=torch.float64)


def test_the_soft_value_by_hand() -> None:
    # beta 1: V = ln((e + 1) / 2) = 0.6201145.
    found = soft_value_advantage(REWARD, GROUP, beta=1.0)
    wanted = torch.tensor([0.3798855, -0.6201145, torch.nan, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(found, wanted, equal_nan=True)


def test_the_value_lies_between_the_mean_and_the_best() -> None:
    values = [float(1 - soft_value_advantage(REWARD, GROUP, beta=beta)[0]) for beta in (1e-4, 0.1, 1, 10, 1e6)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(1, abs=1e-3)  # beta -> 0: the best
    assert values[-1] == pytest.approx(0.5, abs=1e-5)  # beta -> inf: the mean
    assert soft_value_advantage(REWARD, GROUP, beta=math.inf)[:2].tolist() == [0.5, -0.5]
    for beta in (0.0, -1.0, math.nan):
        with pytest.raises(ForageError, match="beta"):
            soft_value_advantage(REWARD, GROUP, beta=beta)


def test_a_constant_reward_moves_the_value_along() -> None:
    shifted = soft_value_advantage(REWARD + 50, GROUP, beta=0.7)
    torch.testing.assert_close(shifted, soft_value_advantage(REWARD, GROUP, beta=0.7), equal_nan=True)


def test_the_pull_is_the_square_of_the_whole_response() -> None:
    mask = torch.tensor([[False, True, True], [False, True, False]])
    logprob, source = torch.tensor([[9.0, -1.0, -2.0], [9.0, -1.0, 9.0]]), torch.full((2, 3), -3.0)
    pull = squared_pull(logprob, source, mask)
    assert pull.tolist() == [[0, 4.5, 4.5], [0, 4, 0]]  # (2 + 1)^2 over two tokens, 2^2 over one


def test_the_optimum_is_where_gradient_and_pull_balance() -> None:
    """-b1 A l + b2 l^2 is least at l = b1 A / (2 b2), l the log-ratio of the response."""
    mask = torch.tensor([[True, True, False]])
    source, advantage, b1, b2 = torch.tensor([[-1.0, -2.0, 0.0]]), 0.8, 1.5, 0.25
    logprob = source.clone().requires_grad_()
    best = b1 * advantage / (2 * b2)
    for _ in range(200):
        loss = (-b1 * advantage * logprob * mask).sum() + b2 * squared_pull(logprob, source, mask).sum()
        (grad,) = torch.autograd.grad(loss, logprob)
        logprob = (logprob - 0.3 * grad).detach().requires_grad_()
    assert float(((logprob.detach() - source) * mask).sum()) == pytest.approx(best, abs=1e-4)


def test_with_half_the_temperature_it_is_mirror_descent() -> None:
    """b1 = 1, b2 = tau / 2: the gradient of (A - tau l)^2 / (2 tau) in the log-ratio l, up to the sign."""
    mask, tau, advantage = torch.tensor([[True, True]]), 0.4, torch.tensor(-0.7)
    source = torch.tensor([[-1.0, -0.5]])
    logprob = torch.tensor([[-1.3, -0.1]], requires_grad=True)
    ours = (-advantage * logprob).sum() + tau / 2 * squared_pull(logprob, source, mask).sum()
    theirs = (advantage - tau * (logprob - source).sum()).square() / (2 * tau)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logprob)[0] for loss in (ours, theirs)))

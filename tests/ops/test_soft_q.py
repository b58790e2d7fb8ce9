"""Soft Q-learning of tokens: tables by hand, and a tree of all sequences whose soft-optimal policy is enumerated."""

import math

import pytest
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.soft_q import soft_expectations, soft_q_loss, soft_q_targets


def chances(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()


def test_expectations_by_hand() -> None:
    q = torch.tensor([[1.0, -1.0, 0.0]], dtype=torch.float64)
    expected, divergence = soft_expectations(q, chances([0.5, 0.25, 0.25]), chances([0.25, 0.5, 0.25]))
    assert expected.item() == pytest.approx(0.25)
    assert divergence.item() == pytest.approx(0.5 * math.log(2) - 0.25 * math.log(2))
    assert soft_expectations(q, chances([0.5, 0.25, 0.25]), chances([0.5, 0.25, 0.25]))[1].item() == 0


# Two actions of two and three tokens; a token of an environment between them and padding behind.
STEP = torch.tensor([[0, 0, -1, 1, 1, 1, -1]])
MASK = STEP >= 0
REWARD = torch.tensor([[0.0, 2.0, 9.0, 0.0, 0.0, 4.0, 9.0]])
EXPECTED = torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0, 5.0, 9.0]])
DIVERGENCE = torch.tensor([[0.1, 0.2, 9.0, 0.3, 0.4, 0.5, 9.0]])


def test_targets_by_hand() -> None:
    arguments = (REWARD, EXPECTED, DIVERGENCE, STEP, MASK)
    found = soft_q_targets(*arguments, beta=2.0, gamma=0.5)
    # 2 - .4 | 2 + (3 - .6) / 2 | 4 - .8 | 5 - 1 | the reward
    torch.testing.assert_close(found, torch.tensor([[1.6, 3.2, 0, 3.2, 4.0, 4.0, 0]]))
    released = soft_q_targets(*arguments, beta=2.0, gamma=0.5, rule="released")
    # The first token takes the divergence at the second place of the next action, .4; the last action has no next one.
    torch.testing.assert_close(released, torch.tensor([[1.2, 3.2, 0, 4.0, 5.0, 4.0, 0]]))
    for rule in ("published", "released"):
        plain = soft_q_targets(*arguments, beta=0.0, gamma=0.5, rule=rule)
        torch.testing.assert_close(plain, torch.tensor([[2.0, 3.5, 0, 4.0, 5.0, 4.0, 0]]))


def test_actions_of_one_token_are_the_soft_bellman_update_and_steps_mean_nothing_without_discount() -> None:
    step, mask = torch.arange(4)[None], torch.ones(1, 4, dtype=torch.bool)
    draw = torch.Generator().manual_seed(0)
    reward, expected, divergence = torch.rand(3, 1, 4, generator=draw)
    value = torch.nn.functional.pad(expected - 0.3 * divergence, (0, 1))[:, 1:]
    for rule in ("published", "released"):
        found = soft_q_targets(reward, expected, divergence, step, mask, beta=0.3, gamma=0.9, rule=rule)
        torch.testing.assert_close(found, reward + 0.9 * value)
    whole = soft_q_targets(reward, expected, divergence, step * 0, mask, beta=0.3, gamma=1.0)
    torch.testing.assert_close(whole, reward + value)


def test_tokens_that_cost_nothing_change_nothing() -> None:
    """Where pi is rho and Q is constant, a token more in an action leaves the target of the one before it."""
    step, mask = torch.tensor([[0, 0]]), torch.ones(1, 2, dtype=torch.bool)
    reward, expected = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.3, 1.0]])
    longer = soft_q_targets(reward, expected, torch.zeros(1, 2), step, mask, beta=2.0, gamma=0.5)
    assert longer[0, 0] == 1
    assert longer[0, 1] == 1


def test_iterated_updates_reach_the_enumerated_optimum() -> None:
    """Two tokens of a vocabulary of 3, a reward for each of 9 sequences: pi* is rho(y) exp(r(y) / beta) / Z."""
    draw = torch.Generator().manual_seed(1)
    beta, reward = 0.7, torch.rand(3, 3, generator=draw, dtype=torch.float64) * 3
    rho = torch.randn(3, 3, generator=draw, dtype=torch.float64).log_softmax(1)
    rho_first = torch.randn(3, generator=draw, dtype=torch.float64).log_softmax(0)
    wanted = (rho_first[:, None] + rho + reward / beta).flatten().softmax(0).view(3, 3)
    step, mask = torch.zeros(9, 2, dtype=torch.int64), torch.ones(9, 2, dtype=torch.bool)
    pairs = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    paid = torch.stack([torch.zeros(9, dtype=torch.float64), reward[pairs[:, 0], pairs[:, 1]]], 1)
    q_first, q_second = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    first, second = rho_first, rho
    for _ in range(3):
        first = (rho_first + q_first / beta).log_softmax(0)  # what minimizes the loss, below
        second = (rho + q_second / beta).log_softmax(1)
        expected, divergence = soft_expectations(q_second, second, rho)
        table = (
            torch.stack([torch.zeros(9), expected[pairs[:, 0]]], 1),
            torch.stack([torch.zeros(9), divergence[pairs[:, 0]]], 1),
        )
        found = soft_q_targets(paid, *table, step, mask, beta=beta, gamma=0.5)
        q_first, q_second = found[::3, 0], found[:, 1].view(3, 3)
    torch.testing.assert_close(first.exp()[:, None] * second.exp(), wanted)


def test_the_published_loss_is_least_at_the_boltzmann_policy() -> None:
    draw = torch.Generator().manual_seed(2)
    q, rho = torch.randn(4, 5, generator=draw, dtype=torch.float64), torch.randn(4, 5, generator=draw).double()
    rho, beta = rho.log_softmax(1), 0.5
    logits = (rho + q / beta).requires_grad_()
    loss = soft_q_loss(logits.log_softmax(1), q, rho, beta=beta)
    torch.testing.assert_close(loss, -beta * (rho + q / beta).logsumexp(1))
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    assert slope.abs().max() < 1e-12
    other = torch.randn(4, 5, generator=draw).double().log_softmax(1)
    expected, divergence = soft_expectations(q, other, rho)
    torch.testing.assert_close(soft_q_loss(other, q, rho, beta=beta), beta * divergence - expected)
    assert (soft_q_loss(other, q, rho, beta=beta) > loss).all()


def test_the_gradient_of_the_released_loss_does_not_know_q_and_leaves_the_uniform_policy() -> None:
    slopes = []
    for q in (torch.zeros(1, 3), torch.tensor([[5.0, -2.0, 0.0]])):
        logits = torch.tensor([[1.0, 0.0, 0.5]], requires_grad=True)
        loss = soft_q_loss(logits.log_softmax(1), q, torch.zeros(1, 3), beta=0.5, rule="released")
        slopes.append(torch.autograd.grad(loss.sum(), logits)[0])
    assert torch.equal(*slopes)
    torch.testing.assert_close(slopes[0], 0.5 * (1 / 3 - torch.tensor([[1.0, 0.0, 0.5]]).softmax(1)))
    assert slopes[0].argmin() == 0, "descent raises what is likely already"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"beta": -1.0}, "0 or more"), ({"gamma": 2.0}, "between 0 and 1"), ({"rule": "other"}, "published and released")],
)
def test_what_is_refused(settings: dict[str, float | str], sentence: str) -> None:
    chosen = {"beta": 1.0, "gamma": 1.0, **settings}
    with pytest.raises(ForageError, match=sentence):
        soft_q_targets(REWARD, EXPECTED, DIVERGENCE, STEP, MASK, **chosen)  # pyright: ignore[reportArgumentType]

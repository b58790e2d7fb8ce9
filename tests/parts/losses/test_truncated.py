"""Importance weights on a loss, against gradients of a world of three tokens in which everything is enumerated."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.protocols import Forward, Surrogate
from forage.ops.mismatch import importance_weight
from forage.parts.losses.demonstrations import Likelihood
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import FixedLength, TokenMean
from forage.parts.losses.surrogate import PPOClip, Reinforce
from forage.parts.losses.truncated import WEIGHT, Truncated
from laws import make_forward, make_train

COUNTS = torch.tensor([6, 3, 1])
MU = COUNTS / COUNTS.sum()
PI = torch.tensor([0.2, 0.5, 0.3])
VALUE = torch.tensor([1.0, -2.0, 0.5])


def exact() -> Tensor:
    """The gradient of -sum_a pi(a) value(a) by the logits: what learning from pi's own samples follows."""
    logits = PI.log().requires_grad_()
    (gradient,) = torch.autograd.grad(-(logits.softmax(0) * VALUE).sum(), logits)
    return gradient


def followed(surrogate: Surrogate, *, cap: float | None) -> Tensor:
    """The gradient of the loss over ten one-token responses in which every token is as frequent as mu says."""
    logits = PI.log().requires_grad_()
    token = torch.repeat_interleave(torch.arange(3), COUNTS)
    rows = len(token)

    def column(values: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(values), values], dim=1)

    loss_mask = column(torch.ones(rows)).bool()
    ours = column(logits.log_softmax(0)[token])
    behaviour, old = column(MU.log()[token]), ours.detach()
    zeros, number = torch.zeros(rows, 2), torch.arange(rows)
    batch = Batch(
        tokens=torch.zeros(rows, 2, dtype=torch.int64),
        loss_mask=loss_mask,
        origin=torch.zeros(rows, dtype=torch.int64),
        behaviour=behaviour if cap is None else old,
        entropy=zeros,
        reward=VALUE[token],
        group=number,
        step=zeros.long(),
        step_reward=zeros,
        version=torch.zeros(rows, dtype=torch.int64),
        weight=torch.ones(rows),
    )
    plain = PolicyLoss(surrogate=surrogate, reduction=FixedLength(length=1))
    signals = {} if cap is None else {WEIGHT: importance_weight(old, behaviour, loss_mask, cap=cap)}
    train = TrainBatch(Experience(batch, signals), column(VALUE[token]))
    loss = plain if cap is None else Truncated(loss=plain)
    value, _ = loss(Forward(ours, zeros), train, loss.weigh(batch))
    (gradient,) = torch.autograd.grad(value, logits)
    return gradient


@pytest.mark.parametrize("surrogate", [Reinforce(), PPOClip()], ids=["reinforce", "ppo"])
def test_weights_give_the_gradient_of_the_trainers_own_samples(surrogate: Surrogate) -> None:
    torch.testing.assert_close(followed(surrogate, cap=100.0), exact(), rtol=1e-5, atol=1e-6)
    assert (followed(surrogate, cap=None) - exact()).abs().max() > 0.1


def test_a_cap_holds_back_only_what_is_above_it() -> None:
    """pi / mu is 1/3, 5/3 and 3. Capped at 2, the last token counts 2 mu(2) = .2 of its .3; by hand
    sum_a c(a) value(a) (pi - e_a) with c = (.2, .5, .2)."""
    share = torch.tensor([0.2, 0.5, 0.2])
    expected = sum((share[a] * VALUE[a] * (PI - torch.eye(3)[a]) for a in range(3)), start=torch.zeros(3))
    torch.testing.assert_close(followed(PPOClip(), cap=2.0), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", [TokenMean(), FixedLength(length=7)], ids=["token mean", "fixed"])
def test_weights_of_one_change_no_bit_and_penalties_stay(reduction: TokenMean | FixedLength) -> None:
    train, plain = make_train(3), PolicyLoss(reduction=reduction)
    forward = make_forward(train, 3)
    ones = replace(
        train, experience=Experience(train.batch, {**train.signals, WEIGHT: torch.ones(train.batch.tokens.shape)})
    )
    corrected = Truncated(loss=plain)
    assert (corrected.needs, corrected.skips_zero_advantage) == (plain.needs | {WEIGHT}, plain.skips_zero_advantage)
    first, tallies = plain(forward, train, plain.weigh(train.batch))
    second, others = corrected(forward, ones, corrected.weigh(train.batch))
    assert torch.equal(first, second)
    assert {name: [float(x) for x in pair] for name, pair in tallies.items()} == {
        name: [float(x) for x in pair] for name, pair in others.items()
    }
    doubled = replace(
        ones, experience=Experience(train.batch, {**train.signals, WEIGHT: 2 * torch.ones(train.batch.tokens.shape)})
    )
    third, _ = corrected(forward, doubled, corrected.weigh(train.batch))
    torch.testing.assert_close(third, 2 * first)


def test_what_is_learned_of_demonstrations_stays() -> None:
    plain = PolicyLoss(demonstration_penalties=(Likelihood(coefficient=0.1),))
    assert plain.of_demonstrations is not None
    assert Truncated(loss=plain).of_demonstrations == plain.of_demonstrations

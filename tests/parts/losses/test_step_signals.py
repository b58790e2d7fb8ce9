"""What a loss settles once per optimizer step: by hand, that it lands, and that no micro-batch can change it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forage.core.batch import Experience, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward
from forage.engines.local.model import LocalModel
from forage.engines.local.policy import LocalPolicy
from forage.engines.optimization import Optimization
from forage.ops.entropy_control import adapted_coefficient
from forage.ops.token_covariance import largest, share_count, token_covariance
from forage.parts.credit.shape.held_tokens import HeldTokens
from forage.parts.losses.penalty import EntropyTarget, KLCov
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.step_signals import ClipCovTokens, EntropyCoefficient, KLCovTokens
from forage.parts.losses.surrogate import PPOClip
from laws import make_forward, make_train

UNCLIPPED = PPOClip(low=1.0, high=math.inf)


def on_policy(train: TrainBatch) -> Forward:
    logprob = train.batch.behaviour.clone().requires_grad_()
    return Forward(logprob, train.signals["entropy"].clone().requires_grad_())


def gradient(loss: PolicyLoss, train: TrainBatch, forward: Forward) -> Tensor:
    settled = loss.settle(train, lambda batch: forward, {})
    value, _ = loss(forward, settled, loss.weigh(train.batch))
    (grad,) = torch.autograd.grad(value, forward.logprob)
    return grad


def counted(train: TrainBatch) -> Tensor:
    return train.batch.loss_mask & ~train.batch.reward.isnan()[:, None]


def test_covariance_by_hand() -> None:
    # A = 1, -1 with mean 0; log pi = -1, -3 with mean -2: products 1 and 1, and the place off the mask takes no part.
    mask = torch.tensor([[False, True, True]])
    covariance = token_covariance(torch.tensor([[9.0, 1, -1]]), torch.tensor([[9.0, -1, -3]]), mask)
    assert covariance.tolist() == [[0, 1, 1]]
    assert share_count(2e-4, mask) == 1
    assert share_count(1.0, mask) == 2
    assert share_count(0.5, torch.zeros_like(mask)) == 0
    assert largest(torch.tensor([[5.0, 1, 2]]), mask, 1).tolist() == [[False, False, True]]
    assert largest(torch.tensor([[5.0, 1, 2]]), mask, 9).tolist() == mask.tolist()


@pytest.mark.parametrize("random", [False, True])
def test_clip_cov_stops_the_gradient_of_its_tokens_even_on_policy(random: bool) -> None:
    train = make_train()
    forward = on_policy(train)
    signal = ClipCovTokens(share=0.1, low=0.1, high=5.0, random=random)
    loss = PolicyLoss(surrogate=PPOClip(low=1, high=1), shapes=(HeldTokens(),), step_signals=(signal,))
    chosen = signal(forward, train, {}).bool()
    mask = counted(train)
    assert 0 < int(chosen.sum()) <= share_count(0.1, mask)
    assert not chosen[~mask].any()
    plain = gradient(replace(loss, shapes=(), step_signals=()), train, forward)
    held = gradient(loss, train, forward)
    assert (held[chosen] == 0).all()
    assert (plain[chosen] != 0).any()
    assert torch.equal(held[~chosen], plain[~chosen])
    if not random:
        covariance = token_covariance(train.advantage, forward.logprob.detach(), mask)
        assert ((covariance[chosen] > 0.1) & (covariance[chosen] < 5)).all()


def test_clip_cov_leaves_out_what_the_clip_has_stopped_already() -> None:
    train = make_train()
    forward = make_forward(train, distance=1.5)
    tokens = ClipCovTokens(share=1.0, low=0.0, high=math.inf, clip_low=0.2, clip_high=0.2)(forward, train, {}).bool()
    ratio = (forward.logprob.detach() - train.batch.behaviour).exp()
    stopped = ((train.advantage > 0) & (ratio > 1.2)) | ((train.advantage < 0) & (ratio < 0.8))
    assert (stopped & counted(train)).any()
    assert not (tokens & stopped).any()


def test_kl_cov_takes_the_largest_covariances_and_is_inert_on_policy() -> None:
    train = make_train()
    loss = PolicyLoss(surrogate=UNCLIPPED, penalties=(KLCov(),), step_signals=(KLCovTokens(share=0.2),))
    plain = replace(loss, penalties=(), step_signals=())
    here = on_policy(train)
    assert torch.equal(gradient(loss, train, here), gradient(plain, train, here))

    moved = make_forward(train)
    chosen = KLCovTokens(share=0.2)(moved, train, {}).bool()
    mask = counted(train)
    assert int(chosen.sum()) == share_count(0.2, mask)
    covariance = token_covariance(train.advantage, moved.logprob.detach(), mask)
    assert covariance[chosen].min() >= covariance[mask & ~chosen].max()
    difference = gradient(loss, train, moved) - gradient(plain, train, moved)
    towards = (moved.logprob.detach() - train.batch.behaviour).sign()
    assert torch.equal(difference.abs() > 1e-9, chosen)
    assert (difference[chosen].sign() == towards[chosen]).all()

    random = KLCovTokens(share=0.2, random=True)(moved, train, {}).bool()
    assert int(random.sum()) == int(chosen.sum())
    assert not torch.equal(random, chosen)


def test_the_golden_sequence_of_the_entropy_controller() -> None:
    coefficient, seen, applied = 0.0, [], []
    for entropy in (0.15, 0.15, 0.2, 0.25, 0.15, 0.3, 0.1):
        coefficient, now = adapted_coefficient(coefficient, entropy, target=0.2, step=1e-4, maximum=0.005)
        seen.append(coefficient)
        applied.append(now)
    assert seen == pytest.approx([1e-4, 2e-4, 1e-4, 0, 1e-4, 0, 1e-4], abs=1e-12)
    assert applied == pytest.approx([1e-4, 2e-4, 0, 0, 1e-4, 0, 1e-4], abs=1e-12)
    assert adapted_coefficient(0.005, 0.0, target=0.2, step=1e-4, maximum=0.005) == (0.005, 0.005)


def test_the_controller_pays_below_the_target_only_and_remembers() -> None:
    train = make_train()
    forward = on_policy(train)
    mean = float(forward.entropy.detach().sum() / train.batch.loss_mask.sum())
    for target, expected in ((mean + 0.1, -2e-4), (mean - 0.1, 0.0)):
        loss = PolicyLoss(penalties=(EntropyTarget(),), step_signals=(EntropyCoefficient(target=target),))
        state: dict[str, float] = {}
        loss.settle(train, lambda batch: forward, state)
        settled = loss.settle(train, lambda batch: forward, state)
        value, tallies = loss(forward, settled, loss.weigh(train.batch))
        (grad,) = torch.autograd.grad(value, forward.entropy)
        assert float(grad.sum()) == pytest.approx(expected, rel=1e-5)
        assert state["entropy_coefficient"] == pytest.approx(-expected, abs=1e-12)
        applied, tokens = tallies["entropy_coefficient"]
        assert float(applied / tokens) == pytest.approx(-expected, rel=1e-5)
        assert "entropy_target_penalty" in tallies


LOSSES = {
    "clip_cov": PolicyLoss(shapes=(HeldTokens(),), step_signals=(ClipCovTokens(share=0.2, low=0.0),)),
    "kl_cov": PolicyLoss(surrogate=UNCLIPPED, penalties=(KLCov(),), step_signals=(KLCovTokens(share=0.2),)),
    "entropy_target": PolicyLoss(penalties=(EntropyTarget(),), step_signals=(EntropyCoefficient(target=9, step=1e-3),)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_size_of_micro_batches_changes_gradients_by_rounding_only(tiny_base: Path, name: str) -> None:
    train = make_train()
    batch = replace(train.batch, tokens=train.batch.tokens + 2)
    train = TrainBatch(Experience(batch, train.signals), train.advantage)
    found = []
    for tokens in (10**6, 1):
        settings = Optimization(lr=1e-2, mini_batches=1, micro_tokens=tokens, grad_clip=math.inf)
        policy = LocalPolicy(LocalModel.load(tiny_base), settings, temperature=1.0)
        policy.improve(train, LOSSES[name], seed=0)
        found.append(torch.cat([p.grad.flatten() for p in policy.model.module.parameters() if p.grad is not None]))
        if name == "entropy_target":
            assert policy.optimizer_state()[1]["loss.entropy_coefficient"] == 1e-3
    assert found[0].norm() > 0
    assert float((found[1] - found[0]).norm() / found[0].norm()) < 1e-6


def test_settings_without_a_meaning_are_refused() -> None:
    for wrong in (
        lambda: ClipCovTokens(share=0),
        lambda: ClipCovTokens(low=5, high=1),
        lambda: KLCovTokens(share=2),
        lambda: EntropyCoefficient(step=0),
        lambda: KLCov(coefficient=-1),
        lambda: HeldTokens(strength=2),
    ):
        with pytest.raises(ForageError):
            wrong()

"""Training in bfloat16 moves the weights as training in float32 does, and comes back from its state bit for bit."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engines.local.test_critic import experience, world
from engines.local.test_policy import random_batch
from forage.engines.critic_training import CriticTraining
from forage.engines.local.adapters import Lora, add_adapter
from forage.engines.local.critic import ActorCritic, LocalCritic
from forage.engines.local.model import LocalModel
from forage.engines.local.policy import Learner, LocalPolicy
from forage.engines.optimization import Optimization
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip
from support.worlds import blank_model

LOSS = PolicyLoss(surrogate=PPOClip(low=0.2, high=0.2), reduction=TokenMean())
UPDATES = 8


@pytest.fixture(scope="module")
def rounded(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with weights that bfloat16 holds exactly, so that both formats begin alike."""
    place = tmp_path_factory.mktemp("rounded") / "model"
    LocalModel.load(tiny_base, dtype="bfloat16").save(place)
    return place


def policy(path: Path, dtype: str, **settings: object) -> LocalPolicy:
    optimization = replace(Optimization(lr=1e-6, mini_batches=1), **settings)  # pyright: ignore[reportArgumentType]
    return LocalPolicy(LocalModel.load(path, dtype=dtype), optimization, temperature=1.0)


def learned(of: Learner) -> Tensor:
    """What the optimizer moves."""
    return torch.cat([parameter.detach().float().flatten() for parameter in of._parameters])


def sampled(of: Learner) -> Tensor:
    """What the sampler reads."""
    return torch.cat([p.detach().float().flatten() for p in of.model.module.parameters() if p.requires_grad])


def gradients(of: Learner) -> Tensor:
    return torch.cat([p.grad.float().flatten() for p in of._parameters if p.grad is not None])


def test_weights_in_bfloat16_move_as_far_as_in_float32(rounded: Path) -> None:
    moves = {}
    for dtype in ("float32", "bfloat16"):
        one = policy(rounded, dtype)
        before = learned(one)
        for number in range(UPDATES):
            one.improve(random_batch(seed=number % 4), LOSS, seed=number)
        moves[dtype] = learned(one) - before
        assert torch.equal(sampled(one), learned(one).to(getattr(torch, dtype)).float())
    exact, found = moves["float32"], moves["bfloat16"]
    assert exact.abs().mean() > 1e-6
    assert float(found.norm() / exact.norm()) == pytest.approx(1, abs=0.02)
    assert float(found.abs().mean() / exact.abs().mean()) == pytest.approx(1, abs=0.02)
    assert torch.cosine_similarity(found, exact, dim=0) > 0.95
    assert ((found != 0) == (exact != 0)).float().mean() > 0.99


def test_gradients_add_up_in_float32(rounded: Path) -> None:
    """Passes of one row, 12 of them, against what their own gradients are together in float64."""
    train, loss = random_batch(), PolicyLoss(surrogate=LOSS.surrogate, reduction=TokenMean())
    one = policy(rounded, "bfloat16", micro_tokens=1, grad_clip=math.inf)
    one.improve(train, loss, seed=0)
    found = gradients(one).double()
    wanted = torch.zeros_like(found)
    alone = policy(rounded, "bfloat16")
    weights = loss.weigh(train.batch)
    for row in range(len(train.batch)):
        index, width = torch.tensor([row]), int(train.batch.lengths[row])
        part = train.rows(index, width)
        for parameter in alone._parameters:
            parameter.grad = torch.zeros_like(parameter)
        value, _ = loss(alone.forward(part.batch), part, weights.rows(index, width))
        value.backward()
        wanted += gradients(alone).double()
    assert float((found - wanted).norm() / wanted.norm()) < 1e-6


@pytest.mark.parametrize("adapter", [False, True], ids=["whole", "adapter"])
def test_a_policy_comes_back_bit_for_bit(rounded: Path, tmp_path: Path, adapter: bool) -> None:
    def opened(path: Path, *, fresh: bool) -> LocalPolicy:
        model = LocalModel.load(path, dtype="bfloat16")
        if adapter and fresh:
            add_adapter(model.module, Lora(rank=2), base=str(rounded))
        return LocalPolicy(model, Optimization(lr=1e-4, mini_batches=2), temperature=1.0)

    one = opened(rounded, fresh=True)
    for seed in range(2):
        one.improve(random_batch(seed=seed), LOSS, seed=seed)
    one.save(tmp_path / "saved")
    tensors, numbers = copy.deepcopy(one.optimizer_state())
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert any(name.endswith(".master") for name in tensors) != adapter  # an adapter is in float32 by itself
    other = opened(tmp_path / "saved", fresh=False)
    other.restore_optimizer(tensors, numbers)
    for seed in range(2, 5):
        batch = random_batch(seed=seed)
        assert one.improve(batch, LOSS, seed=seed) == other.improve(batch, LOSS, seed=seed)
    assert torch.equal(learned(one), learned(other))
    assert torch.equal(sampled(one), sampled(other))


def test_bad_numbers_reach_neither_the_weights_nor_their_masters(rounded: Path) -> None:
    train = random_batch()
    one = policy(rounded, "bfloat16")
    one.improve(train, LOSS, seed=0)
    before = learned(one), sampled(one)
    poisoned = replace(train, advantage=train.advantage.masked_fill(train.batch.loss_mask, math.inf))
    assert one.improve(poisoned, LOSS, seed=1)["skipped"] == 1
    assert torch.equal(before[0], learned(one))
    assert torch.equal(before[1], sampled(one))


def test_a_state_of_before_there_were_masters_is_taken_up(rounded: Path) -> None:
    """Moments in bfloat16 and no masters: the masters begin at the weights."""
    one = policy(rounded, "bfloat16")
    one.improve(random_batch(), LOSS, seed=0)
    tensors, numbers = one.optimizer_state()
    old = {name: tensor.bfloat16() for name, tensor in tensors.items() if ".exp_avg" in name}
    old |= {name: tensor for name, tensor in tensors.items() if name.endswith(".step")}
    other = policy(rounded, "bfloat16")
    other.restore_optimizer(old, numbers)
    other.improve(random_batch(), LOSS, seed=1)
    assert torch.equal(sampled(other), learned(other).bfloat16().float())
    assert {tensor.dtype for tensor in other.optimizer_state()[0].values()} == {torch.float32}


def test_a_critic_in_bfloat16_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path, batch = blank_model(tmp_path / "model"), world()

    def pair(weights: Path) -> ActorCritic:
        settings = Optimization(lr=1e-4, mini_batches=1)
        acting = LocalPolicy(LocalModel.load(weights, dtype="bfloat16"), settings, temperature=1.0)
        judging = LocalCritic(LocalModel.load(path, dtype="bfloat16"), CriticTraining(optimization=settings))
        return ActorCritic(acting, judging)

    one = pair(path)
    for seed in range(3):
        one.improve(experience(one.critic, batch), PolicyLoss(), seed=seed)
    one.save(tmp_path / "saved")
    tensors, numbers = copy.deepcopy(one.optimizer_state())
    other = pair(tmp_path / "saved")
    other.restore_optimizer(tensors, numbers)
    for seed in range(3, 6):
        first = one.improve(experience(one.critic, batch), PolicyLoss(), seed=seed)
        assert first == other.improve(experience(other.critic, batch), PolicyLoss(), seed=seed)
    for mine, theirs in ((one.policy, other.policy), (one.critic, other.critic)):
        assert torch.equal(learned(mine), learned(theirs))

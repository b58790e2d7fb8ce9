"""The update: micro-batches add up, silent sequences are skipped exactly, and bad numbers never reach the weights."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TrainBatch
from forage.engines.local.model import LocalModel
from forage.engines.local.placement import micro_batches
from forage.engines.local.policy import LocalPolicy, NonFiniteUpdate, mini_batches
from forage.engines.optimization import Optimization
from forage.parts.losses.penalty import EntropyPenalty
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import FixedLength, SequenceMean, TokenMean
from forage.parts.losses.surrogate import PPOClip

LOSS = PolicyLoss(surrogate=PPOClip(low=0.2, high=0.2), reduction=TokenMean())


def random_batch(rows: int = 12, width: int = 24, groups: int = 4, seed: int = 0) -> TrainBatch:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(10, width + 1, (rows,), generator=generator)
    position = torch.arange(width)
    loss_mask = (position >= 8) & (position < lengths[:, None])
    behaviour = -torch.rand(rows, width, generator=generator) * 3 * loss_mask
    batch = Batch(
        tokens=torch.randint(2, 79, (rows, width), generator=generator),
        loss_mask=loss_mask,
        origin=torch.zeros(rows, dtype=torch.int64),
        behaviour=behaviour,
        entropy=torch.rand(rows, width, generator=generator) * loss_mask,
        reward=torch.rand(rows, generator=generator),
        group=torch.arange(rows) % groups,
        step=torch.where(loss_mask, 0, -1),
        step_reward=torch.zeros(rows, width),
        version=torch.zeros(rows, dtype=torch.int64),
        weight=torch.ones(rows),
    )
    advantage = torch.randn(rows, width, generator=generator) * loss_mask
    return TrainBatch(Experience(batch, {}), advantage)


def policy(path: Path, **settings: object) -> LocalPolicy:
    optimization = replace(Optimization(lr=1e-2, mini_batches=1), **settings)  # pyright: ignore[reportArgumentType]
    return LocalPolicy(LocalModel.load(path), optimization, temperature=1.0)


def weights(of: LocalPolicy) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in of.model.module.parameters()]


def gradients(of: LocalPolicy) -> Tensor:
    return torch.cat([p.grad.flatten() for p in of.model.module.parameters() if p.grad is not None])


@pytest.mark.parametrize(
    "reduction", [TokenMean(), SequenceMean(), FixedLength(length=24)], ids=lambda r: type(r).__name__
)
def test_the_micro_batch_size_changes_a_gradient_by_rounding_only(tiny_base: Path, reduction: object) -> None:
    train, loss = random_batch(), replace(LOSS, reduction=reduction)  # pyright: ignore[reportArgumentType]
    found = []
    for tokens in (10**6, 64, 1):  # everything at once, two or three rows, one row
        one = policy(tiny_base, micro_tokens=tokens, grad_clip=math.inf)
        one.improve(train, loss, seed=0)
        found.append(gradients(one))
    scale = found[0].norm()
    assert scale > 0
    for other in found[1:]:
        assert float((other - found[0]).norm() / scale) < 1e-6


def test_sequences_without_advantage_are_skipped_exactly(tiny_base: Path) -> None:
    train = random_batch()
    silent = replace(train, advantage=train.advantage * (train.batch.group % 2 == 0)[:, None])
    skipping, plain = policy(tiny_base), policy(tiny_base)
    skipping.improve(silent, LOSS, seed=0)

    class NeverSkip(PolicyLoss):
        @property
        def skips_zero_advantage(self) -> bool:
            return False

    never = NeverSkip(surrogate=LOSS.surrogate, reduction=LOSS.reduction)
    plain.improve(silent, never, seed=0)
    error = (gradients(skipping) - gradients(plain)).norm() / gradients(plain).norm()
    assert float(error) < 1e-6


def test_a_silent_batch_leaves_the_weights_but_a_penalty_still_acts(tiny_base: Path) -> None:
    train = random_batch()
    silent = replace(train, advantage=torch.zeros_like(train.advantage))
    one = policy(tiny_base)
    before = weights(one)
    one.improve(silent, LOSS, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(one), strict=True))
    one.improve(silent, replace(LOSS, penalties=(EntropyPenalty(coefficient=0.1),)), seed=0)
    assert not all(torch.equal(a, b) for a, b in zip(before, weights(one), strict=True))


def test_nothing_beyond_the_mask_matters(tiny_base: Path) -> None:
    train = random_batch()
    batch = train.batch
    noisy = replace(
        batch,
        tokens=torch.where(torch.arange(24) >= batch.lengths[:, None], 5, batch.tokens),
        behaviour=torch.where(batch.loss_mask, batch.behaviour, torch.full_like(batch.behaviour, math.nan)),
    )
    first, second = policy(tiny_base), policy(tiny_base)
    first.improve(train, LOSS, seed=0)
    second.improve(TrainBatch(Experience(noisy, {}), train.advantage), LOSS, seed=0)
    assert torch.equal(gradients(first), gradients(second))


def test_non_finite_updates_are_skipped_counted_and_finally_stop(tiny_base: Path) -> None:
    train = random_batch()
    poisoned = replace(train, advantage=train.advantage.masked_fill(train.batch.loss_mask, math.inf))
    one = policy(tiny_base, max_skips=3)
    before = weights(one)
    assert one.improve(poisoned, LOSS, seed=0)["skipped"] == 1
    one.improve(poisoned, LOSS, seed=0)
    with pytest.raises(NonFiniteUpdate, match=r"3 updates in a row .* changed no weight") as stopped:
        one.improve(poisoned, LOSS, seed=0)
    assert stopped.value.train is not None
    assert all(torch.equal(a, b) for a, b in zip(before, weights(one), strict=True))


def test_a_good_update_forgives_the_skips_before_it(tiny_base: Path) -> None:
    train = random_batch()
    poisoned = replace(train, advantage=train.advantage.masked_fill(train.batch.loss_mask, math.inf))
    one = policy(tiny_base, max_skips=2)
    for part in (poisoned, train, poisoned):
        one.improve(part, LOSS, seed=0)
    assert one.version == 3


def test_optimizer_state_restores_bit_for_bit(tiny_base: Path) -> None:
    train = random_batch()
    one = policy(tiny_base, warmup=10)
    one.improve(train, LOSS, seed=0)
    tensors, numbers = copy.deepcopy(one.optimizer_state())
    saved = weights(one)
    one.improve(train, LOSS, seed=1)

    other = policy(tiny_base, warmup=10)
    with torch.no_grad():
        for parameter, value in zip(other.model.module.parameters(), saved, strict=True):
            parameter.copy_(value)
    other.restore_optimizer(tensors, numbers)
    other.improve(train, LOSS, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_mini_batches_hold_whole_groups_once_each() -> None:
    group = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4])
    parts = list(mini_batches(group, 2, seed=5))
    assert sorted(torch.cat(parts).tolist()) == list(range(9))
    homes = [set(group[part].tolist()) for part in parts]
    assert not homes[0] & homes[1]
    assert [part.tolist() for part in mini_batches(group, 2, seed=5)] == [part.tolist() for part in parts]


def test_micro_batches_cover_rows_within_the_budget() -> None:
    lengths = torch.tensor([5, 40, 7, 7, 100, 6])
    parts = list(micro_batches(lengths, 42))
    assert sorted(torch.cat([rows for rows, _ in parts]).tolist()) == list(range(6))
    for rows, width in parts:
        assert width == int(lengths[rows].max())
        assert len(rows) == 1 or len(rows) * width <= 42

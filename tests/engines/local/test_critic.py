"""The critic: it sees what it should, learns what a world is worth, and comes back from its state bit for bit."""

import copy
import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TrainBatch
from forage.engines.critic_training import CriticTraining
from forage.engines.local.critic import ActorCritic, LocalCritic
from forage.engines.local.model import LocalModel
from forage.engines.local.policy import LocalPolicy
from forage.engines.optimization import Optimization
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.value_loss import ValueLoss
from support.worlds import blank_model

PROMPT = (2, 3)
"""Two tokens that every sequence begins with; then up to three of 5, 6 and 7, of which 5 ends the sequence."""
REWARDS = {(6, 7, 7): 1.0, (7, 5): 1.0, (7, 6, 6): 0.5, (6, 5): -1.0}


def sequences() -> list[tuple[int, ...]]:
    full = itertools.product((5, 6, 7), repeat=3)
    return sorted({seq[: seq.index(5) + 1] if 5 in seq else seq for seq in full})


def chance(seq: tuple[int, ...]) -> float:
    """A policy that draws 5, 6, 7 with probabilities .2, .3, .5 everywhere."""
    return math.prod({5: 0.2, 6: 0.3, 7: 0.5}[token] for token in seq)


def world() -> Batch:
    """All 15 sequences, weighted by how often the policy draws them."""
    found = sequences()
    tokens = torch.zeros(len(found), 5, dtype=torch.int64)
    loss_mask = torch.zeros(len(found), 5, dtype=torch.bool)
    for row, seq in enumerate(found):
        tokens[row, : 2 + len(seq)] = torch.tensor(PROMPT + seq)
        loss_mask[row, 2 : 2 + len(seq)] = True
    blank = torch.zeros(len(found), 5)
    return Batch(
        tokens=tokens,
        loss_mask=loss_mask,
        origin=torch.zeros(len(found), dtype=torch.int64),
        behaviour=blank - loss_mask.float(),
        entropy=blank,
        reward=torch.tensor([REWARDS.get(seq, 0.0) for seq in found]),
        group=torch.arange(len(found)),
        step=torch.where(loss_mask, 0, -1),
        step_reward=blank,
        version=torch.zeros(len(found), dtype=torch.int64),
        weight=torch.tensor([chance(seq) for seq in found]),
    )


def worth(state: tuple[int, ...]) -> float:
    """The expected reward behind `state`, by enumeration."""
    below = [seq for seq in sequences() if seq[: len(state)] == state]
    return sum(chance(seq) * REWARDS.get(seq, 0.0) for seq in below) / sum(map(chance, below))


def exact(batch: Batch) -> Tensor:
    values = torch.zeros(batch.tokens.shape)
    for row, seq in enumerate(sequences()):
        for t in range(len(seq)):
            values[row, 2 + t] = worth(seq[:t])
    return values


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model")


def critic(
    path: Path, *, lr: float = 1e-2, clip: float = 0.2, lam: float = 1.0, micro_tokens: int = 4096
) -> LocalCritic:
    training = CriticTraining(
        loss=ValueLoss(clip=clip, lam=lam),
        optimization=Optimization(lr=lr, mini_batches=1, micro_tokens=micro_tokens),
        warmup=2,
    )
    return LocalCritic(LocalModel.load(path), training)


def experience(of: LocalCritic, batch: Batch, values: torch.Tensor | None = None) -> TrainBatch:
    values = of.measure(batch) if values is None else values
    train = TrainBatch(Experience(batch, {"value": values}), torch.zeros(batch.tokens.shape))
    return replace(train, advantage=torch.where(batch.loss_mask, batch.reward[:, None], 0.0))


@pytest.mark.parametrize(("lam", "clip", "lr"), [(1.0, 0.2, 1e-3), (0.8, math.inf, 3e-3)])
def test_it_converges_to_the_enumerated_values(blank: Path, lam: float, clip: float, lr: float) -> None:
    """The values are the means of the weighted returns; below lam 1 the values of later states stand in for some."""
    one, batch = critic(blank, lam=lam, clip=clip, lr=lr), world()
    wanted = exact(batch)
    assert wanted.abs().max() == pytest.approx(0.5)  # of the state 6 7, from which 7 is drawn half of the time
    metrics: dict[str, float] = {}
    values, error, step = one.measure(batch), math.inf, 0
    while error >= 0.02 and step < 900:
        step += 1
        metrics = one.learn(experience(one, batch, values), seed=step)
        values = one.measure(batch)
        error = float((values - wanted).abs().max())
    assert error < 0.02
    assert metrics["value_clip_share"] == 0
    assert {"value_loss", "explained_variance", "critic_grad_norm", "critic_skipped", "critic_lr"} <= set(metrics)


def test_it_begins_at_zero_and_explains_nothing(blank: Path) -> None:
    one, batch = critic(blank), world()
    assert (one.measure(batch) == 0).all()
    assert one.learn(experience(one, batch), seed=0)["explained_variance"] == 0


def test_the_value_of_a_state_is_that_of_the_token_behind_it(blank: Path) -> None:
    one, batch = critic(blank), world()
    for step in range(5):
        one.learn(experience(one, batch), seed=step)
    measured = one.measure(batch)
    rows = sequences()
    states = [(row, seq[:t]) for row, seq in enumerate(rows) for t in range(len(seq))]
    found = one.value([PROMPT + prefix for _, prefix in states])
    wanted = torch.stack([measured[row, 2 + len(prefix)] for row, prefix in states])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert len(one.value([])) == 0


def test_nothing_off_the_mask_and_no_later_token_matters(blank: Path) -> None:
    one, batch = critic(blank), world()
    one.learn(experience(one, batch), seed=0)
    measured = one.measure(batch)
    assert (measured[~batch.loss_mask] == 0).all()
    last = batch.lengths - 1
    other = batch.tokens.clone()
    other[torch.arange(len(batch)), last] = 4  # what is drawn last cannot change the value of the state before it
    torch.testing.assert_close(one.measure(replace(batch, tokens=other)), measured)


def test_the_micro_batch_size_changes_an_update_by_rounding_only(blank: Path) -> None:
    batch, found = world(), []
    for tokens in (10**6, 1):
        one = critic(blank, micro_tokens=tokens)
        one.learn(experience(one, batch), seed=0)  # the body has no gradient while the head is 0
        one.learn(experience(one, batch), seed=0)
        found.append(torch.cat([p.grad.flatten() for p in one.model.module.parameters() if p.grad is not None]))
    assert found[0].norm() > 0
    assert (found[0] - found[1]).norm() / found[0].norm() < 1e-5


def test_unjudged_responses_teach_nothing(blank: Path) -> None:
    batch = world()
    some = replace(batch, reward=torch.where(torch.arange(15) < 4, torch.nan, batch.reward))
    whole, part = critic(blank), critic(blank)
    for step in range(2):
        whole.learn(experience(whole, some), seed=step)
        part.learn(experience(part, some.rows(torch.arange(4, 15))), seed=step)
    torch.testing.assert_close(whole.measure(batch), part.measure(batch), rtol=1e-4, atol=1e-5)


def pair(path: Path) -> ActorCritic:
    policy = LocalPolicy(LocalModel.load(path), Optimization(lr=1e-2, mini_batches=1), temperature=1.0)
    return ActorCritic(policy, critic(path))


def weights(of: LocalPolicy | LocalCritic) -> list[Tensor]:
    """What learns: the vocabulary head of a critic does not."""
    return [parameter.detach().clone() for parameter in of.model.module.parameters() if parameter.requires_grad]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_policy_stands_still_while_the_critic_warms_up(blank: Path) -> None:
    both, batch = pair(blank), world()
    before = weights(both.policy)
    for step in range(2):
        metrics = both.improve(experience(both.critic, batch), PolicyLoss(), seed=step)
        assert metrics["critic_alone"] == 1
        assert both.version == 0
    assert same(before, weights(both.policy))
    metrics = both.improve(experience(both.critic, batch), PolicyLoss(), seed=2)
    assert metrics["critic_alone"] == 0
    assert "clip_share" in metrics
    assert both.version == 1
    assert not same(before, weights(both.policy))


def test_the_vocabulary_head_of_a_critic_is_left_alone(blank: Path) -> None:
    one = critic(blank)
    before = one.model.head.weight.detach().clone()
    one.learn(experience(one, world()), seed=0)
    assert torch.equal(one.model.head.weight, before)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_pair_comes_back_bit_for_bit(blank: Path, tmp_path: Path, steps: int) -> None:
    """Saved during the warm-up and after it."""
    batch, one = world(), pair(blank)
    for step in range(steps):
        one.improve(experience(one.critic, batch), PolicyLoss(), seed=step)
    one.save(tmp_path / "saved")
    tensors, numbers = copy.deepcopy(one.optimizer_state())
    policy = LocalPolicy(LocalModel.load(tmp_path / "saved"), Optimization(lr=1e-2, mini_batches=1), temperature=1.0)
    other = ActorCritic(policy, critic(tmp_path / "saved"))
    other.restore_optimizer(tensors, numbers)
    for step in range(steps, steps + 3):
        assert one.improve(experience(one.critic, batch), PolicyLoss(), seed=step) == other.improve(
            experience(other.critic, batch), PolicyLoss(), seed=step
        )
    assert same(weights(one.policy), weights(other.policy))
    assert same(weights(one.critic), weights(other.critic))

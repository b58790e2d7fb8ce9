"""Soft Q-learning of tokens: against plain forward passes, toward an enumerated optimum, and resumed bit for bit."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import SamplingParams
from forage.engines.local.adapters import Lora
from forage.engines.local.engine import LocalEngine
from forage.engines.local.soft_q import SoftActorCritic, check_vocabulary
from forage.engines.optimization import Optimization
from forage.engines.soft_q_training import SoftQTraining
from forage.methods import Applied, apply, entropy_advantage, etpo, etpo_shuffled, kl_penalty, progress_reward, rrl
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.surrogate import Reinforce
from forage.tasks.countdown import Countdown
from forage.training.recipe import Grouping, Recipe, Schedule
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.worlds import World, blank_model

WORDS = 8
PROMPT = (2, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model")


def pair_of(folder: Path, training: SoftQTraining, *, lr: float = 3e-3, temperature: float = 1.0) -> SoftActorCritic:
    engine, optimization = LocalEngine(threads=1, matmul="highest"), Optimization(lr=lr, mini_batches=1)
    opened = engine.open(
        str(folder), reference=str(folder), critic=training, optimization=optimization, temperature=temperature
    )
    assert isinstance(opened.policy, SoftActorCritic)
    return opened.policy


def batch_of(rows: list[tuple[int, ...]], reward: list[float], ends: tuple[int, ...] = ()) -> Batch:
    """Rows behind the prompt; a step ends behind each place in `ends`."""
    width = 2 + max(map(len, rows))
    tokens = torch.zeros(len(rows), width, dtype=torch.int64)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for number, row in enumerate(rows):
        tokens[number, : 2 + len(row)] = torch.tensor(PROMPT + row)
        mask[number, 2 : 2 + len(row)] = True
    place = torch.arange(width) - 2
    step = torch.stack([place >= end for end in ends]).long().sum(0) if ends else torch.zeros(width, dtype=torch.int64)
    blank, zeros = torch.zeros(tokens.shape), torch.zeros(len(rows), dtype=torch.int64)
    return Batch(
        tokens=tokens,
        loss_mask=mask,
        origin=zeros,
        behaviour=blank,
        entropy=blank,
        reward=torch.tensor(reward),
        group=zeros,
        step=torch.where(mask, step, -1),
        step_reward=blank,
        version=zeros,
        weight=torch.ones(len(rows)),
    )


def train_of(batch: Batch) -> TrainBatch:
    return TrainBatch(Experience(batch, {"reference": torch.zeros(batch.tokens.shape)}), torch.ones(batch.tokens.shape))


def logps(pair: SoftActorCritic, tokens: tuple[int, ...]) -> Tensor:
    """ln pi of all words behind each token, by one plain pass."""
    with torch.no_grad():
        return pair.model.module(torch.tensor([tokens])).logits[0].log_softmax(-1)


def test_targets_are_those_of_plain_passes(folder: Path) -> None:
    training = SoftQTraining(beta=0.5, gamma=0.5)
    pair = pair_of(folder, training)
    batch = batch_of([(5, 6, 7, 5), (6, 7)], [2.0, math.nan], ends=(2,))
    first = pair.targets(batch)
    # Values begin at 0 and the policy is the reference, so nothing but the reward is there.
    torch.testing.assert_close(first, torch.tensor([[0, 0, 0, 0, 0, 2.0], [0] * 6]), atol=1e-6, rtol=0)
    with torch.no_grad():
        for model in (pair.model, pair.critic._target):  # pyright: ignore[reportPrivateUsage]
            for parameter in model.module.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    found = pair.targets(batch)
    row = (*PROMPT, 5, 6, 7, 5)
    now = logps(pair, row)
    module = pair.critic._target.module  # pyright: ignore[reportPrivateUsage]
    with torch.no_grad():
        q = module.get_submodule("q_head")(module.base_model(torch.tensor([row])).last_hidden_state[0])
    old = logps(pair_of(folder, training), row)
    value = (now.exp() * (q - 0.5 * (now - old))).sum(-1)  # behind each token of the row
    wanted = [value[2], 0.5 * value[3], value[4], 2.0]
    assert value.abs().min() > 1e-3
    assert found[0, 2:].tolist() == pytest.approx([float(each) for each in wanted], abs=1e-5)
    assert not found[1].any(), "not judged"


@pytest.mark.parametrize("rule", ["published", "released"])
def test_the_update_follows_the_formula_on_plain_logits(folder: Path, rule: str) -> None:
    """One step of AdamW without weight decay moves each weight by lr against the sign of the plain gradient."""
    training = SoftQTraining(beta=0.5, rule=rule, warmup=0, optimization=Optimization(lr=1e-2))  # pyright: ignore[reportArgumentType]
    pair = pair_of(folder, training, lr=1e-4)
    batch = batch_of([(5, 6, 7), (6, 7)], [1.0, -1.0])
    before = [parameter.clone() for parameter in pair.model.module.parameters()]
    twin = pair_of(folder, training)
    twin.critic.learn(train_of(batch), twin.targets(batch), seed=3)
    q = twin.critic.look(batch)
    logits = twin.model.module(batch.tokens[:, :-1]).logits[batch.loss_mask[:, 1:]].log_softmax(-1)
    own = logits.exp() * (0.5 * (logits - logits.detach()) - q) if rule == "published" else 0.5 * logits / WORDS
    own.sum().backward()
    pair.improve(train_of(batch), PolicyLoss(surrogate=Reinforce()), seed=3)
    checked = 0
    for old, new, plain in zip(before, pair.model.module.parameters(), twin.model.module.parameters(), strict=True):
        clear = plain.grad.abs() > 1e-5 if plain.grad is not None else torch.zeros_like(old, dtype=torch.bool)
        moved = (new - old)[clear]
        assert (moved.sign() == -(plain.grad if plain.grad is not None else old)[clear].sign()).all()
        checked += int(clear.sum())
    assert checked > 100


def test_it_approaches_the_enumerated_optimum_and_the_released_rule_does_not(folder: Path) -> None:
    """Responses of one token: pi* is rho exp(r / beta) / Z, and all eight are shown in every batch."""
    reward = [0.0, 0.2, -0.5, 1.0, 0.5, 0.0, -1.0, 0.3]
    batch = batch_of([(token,) for token in range(WORDS)], reward)
    gaps = {}
    for rule in ("published", "released"):
        learn = Optimization(lr=1e-2)
        training = SoftQTraining(beta=0.5, rule=rule, polyak=0.0, warmup=12, optimization=learn)
        pair = pair_of(folder, training, lr=1e-2)
        old = logps(pair, PROMPT)[-1]
        wanted = (old + torch.tensor(reward) / 0.5).softmax(0)
        for step in range(24 if rule == "published" else 18):
            pair.improve(train_of(batch), PolicyLoss(surrogate=Reinforce()), seed=step)
        gaps[rule] = float((logps(pair, PROMPT)[-1].exp() - wanted).abs().sum() / 2)
    start = float((old.exp() - wanted).abs().sum() / 2)
    assert start > 0.3
    assert gaps["published"] < start / 3
    assert gaps["released"] > start, "it moves, and not to what is worth more"


def test_the_target_follows_the_critic(folder: Path) -> None:
    pair = pair_of(folder, SoftQTraining(polyak=0.75))
    batch = batch_of([(5, 6)], [1.0])
    before = pair.critic.target(batch)
    weights = [parameter.clone() for parameter in pair.critic.model.module.parameters()]
    pair.critic.learn(train_of(batch), pair.targets(batch), seed=0)
    assert not before.any()
    for old, new, slow in zip(
        weights,
        pair.critic.model.module.parameters(),
        pair.critic._target.module.parameters(),  # pyright: ignore[reportPrivateUsage]
        strict=True,
    ):
        torch.testing.assert_close(slow, old + 0.25 * (new - old))
        assert not slow.requires_grad


def small(folder: Path, *methods: Applied, task: Task | None = None) -> Recipe:
    recipe = Recipe(
        name="small",
        model=str(folder),
        task=task or World(worth=(("north", 1.0),)),
        schedule=Schedule(steps=4, checkpoint_every=2, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=4),
        sampling=SamplingParams(max_tokens=4),
        optimization=Optimization(lr=1e-3, mini_batches=1),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    return apply(recipe, methods)


def test_it_resumes_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    recipe = small(folder, etpo_shuffled(critic_warmup=1, critic_epochs=1))
    whole, parts = map(metrics_of, train_whole_and_in_parts(recipe, tmp_path, stop_after=3))
    assert str(whole) == str(parts)
    assert all("q_loss" in row for row in whole)


def test_the_control_deals_rewards_among_siblings(folder: Path) -> None:
    batch = batch_of([(5,), (6,), (7,), (5, 6)], [0.0, 1.0, math.nan, 3.0])
    losses = []
    for permuted in (False, True):
        pair = pair_of(folder, SoftQTraining(permuted=permuted))
        losses.append([pair.improve(train_of(batch), PolicyLoss(), seed=seed)["q_loss"] for seed in range(3)])
    assert losses[0] != losses[1]
    assert losses[0][0] == pytest.approx(losses[1][0]), "the same rewards while Q is 0 everywhere"


def test_what_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert small(folder, etpo(critic_warmup=1)).needs == {"reference"}
    assert small(folder, etpo(critic_warmup=1), kl_penalty(coefficient=0.1)).policy_loss.penalties
    with pytest.raises(ForageError, match="trains a critic before it"):
        small(folder, etpo(critic_warmup=1), rrl(value="critic"))
    with pytest.raises(ForageError, match="would learn alone"):
        small(folder, etpo(critic_warmup=4))
    for other in (entropy_advantage(), progress_reward()):
        with pytest.raises(ForageError, match="would do nothing"):
            small(folder, etpo(critic_warmup=1), other, task=Countdown(size="demo"))
    with pytest.raises(ForageError, match="keeps a share of itself"):
        small(folder, etpo(polyak=1.0))
    monkeypatch.setattr("forage.engines.local.soft_q.LARGEST_VOCABULARY", 7)
    with pytest.raises(ForageError, match="this model has 8 tokens"):
        pair_of(folder, SoftQTraining())
    with pytest.raises(ForageError, match="toy vocabularies"):
        check_vocabulary(LocalEngine(threads=1, matmul="highest").open(str(folder)).policy.model)
    engine = replace(LocalEngine(threads=1, matmul="highest"), adapter=Lora())
    with pytest.raises(ForageError, match="leave the adapter"):
        engine.open(str(folder), reference=str(folder), critic=SoftQTraining())

"""PPO from end to end: interrupted and resumed, the same bits; what goes with it, and what is refused."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Tools
from forage.core.records import SamplingParams, Start
from forage.core.serialize import decode_part, encode_part
from forage.engines.critic_training import CriticTraining
from forage.methods import METHODS, Applied, apply, entropy_advantage, grpo, parse, ppo, rrl, shuffled_entropy
from forage.parts.credit.assign.gae import Gae
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.whiten import Whiten
from forage.parts.memory.retrospective import RetrospectiveReplay
from forage.parts.rewards import Overlong
from forage.parts.values import CriticValues, StartValue
from forage.recipes import countdown
from forage.store.checkpoint import load_tensors
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Recipe, Schedule
from support.builders import problem
from support.coins import Coins
from support.interruptions import train_whole_and_in_parts


def small(base: Path, *methods: Applied, steps: int = 6) -> Recipe:
    """So small a model never solves a problem; lengths differ, so the overlong reward lets it learn something."""
    recipe = countdown(
        model=str(base),
        steps=steps,
        groups=4,
        group_size=4,
        max_tokens=12,
        checkpoint_every=2,
        lr=1e-3,
        threads=1,
        matmul="highest",
    )
    return apply(replace(recipe, rewards=(Overlong(limit=12, buffer=10),), methods=()), methods)


def rows(path: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in RunDirectory.open(path).metrics()]


def final_state(path: Path) -> dict[str, bytes]:
    last = RunDirectory.open(path).latest_checkpoint()
    return {name: (last / name).read_bytes() for name in ("model.safetensors", "training/optimizer.safetensors")}


REPLAY = {"collect": 0.5, "replay": 0.3, "share": 0.5, "margin": -1.0, "rescore_every": 3, "continuations": 2}


@pytest.mark.parametrize(
    ("methods", "stop"),
    [((ppo(critic_warmup=2, critic_epochs=2, lam=0.9),), 1), ((ppo(critic_warmup=1), rrl(**REPLAY)), 3)],
    ids=["in the warm-up", "with restarts"],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    tiny_base: Path, tmp_path: Path, methods: tuple[Applied, ...], stop: int
) -> None:
    whole, parts = train_whole_and_in_parts(small(tiny_base, *methods, steps=stop + 2), tmp_path, stop_after=stop)
    assert repr(rows(parts)) == repr(rows(whole))
    assert final_state(parts) == final_state(whole)


def test_the_policy_waits_for_the_critic(tiny_base: Path, tmp_path: Path) -> None:
    recipe = small(tiny_base, ppo(critic_warmup=2), steps=3)
    train(replace(recipe, schedule=Schedule(steps=3, checkpoint_every=1, keep_checkpoints=3)), out=tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    assert [row["critic_alone"] for row in run.metrics()] == [1, 1, 0]
    assert all("value_loss" in row and "explained_variance" in row for row in run.metrics())
    before = load_tensors(tiny_base / "model.safetensors")
    for step, moved in ((1, False), (2, False), (3, True)):
        now = load_tensors(run.path / "checkpoints" / f"step-{step:06d}" / "model.safetensors")
        assert any(not now[name].equal(before[name]) for name in before) == moved


def test_the_bonus_comes_after_whitening_with_its_published_strength() -> None:
    recipe = apply(countdown(model="none"), [])
    recipe = apply(replace(recipe, methods=()), [ppo(), entropy_advantage()])
    assert recipe.credit.shapes == (Whiten(), EntropyBonus(alpha=0.1, at="update"))
    assert recipe.credit.assign == Gae(gamma=1.0, lam=1.0)
    assert apply(recipe, []).needs == {"value", "entropy"}
    for text, alpha in (("entropy_advantage", 0.4), ("entropy_advantage:alpha=0.1", 0.1)):
        changed = apply(replace(recipe, methods=()), [grpo(), parse(text, METHODS)])
        assert changed.credit.shapes == (EntropyBonus(alpha=alpha, at="update"),)
    control = apply(replace(recipe, methods=()), [ppo(), shuffled_entropy()]).credit.shapes[-1]
    assert getattr(control, "alpha", None) == 0.1


def test_the_bonus_trains_on_it(tiny_base: Path, tmp_path: Path) -> None:
    train(small(tiny_base, ppo(critic_warmup=1), entropy_advantage(), steps=3), out=tmp_path / "bonus")
    train(small(tiny_base, ppo(critic_warmup=1), entropy_advantage(alpha=0.0), steps=3), out=tmp_path / "zero")
    train(small(tiny_base, ppo(critic_warmup=1), steps=3), out=tmp_path / "plain")
    assert final_state(tmp_path / "zero") == final_state(tmp_path / "plain")
    assert final_state(tmp_path / "bonus") != final_state(tmp_path / "plain")
    # Whitening is no bonus: without one nothing is added to the whitened advantages.
    assert rows(tmp_path / "plain")[-1]["bonus_share"] == 0
    assert 0 < rows(tmp_path / "bonus")[-1]["bonus_share"] <= 0.5


def test_recipes_without_a_critic_where_one_is_needed_are_refused() -> None:
    recipe = apply(replace(countdown(model="none"), methods=()), [ppo()])
    assert recipe.critic == CriticTraining(optimization=replace(recipe.optimization, lr=4e-4))
    with pytest.raises(ForageError, match="value, which a critic gives"):
        replace(recipe, critic=None)
    with pytest.raises(ForageError, match="learn alone for 10 steps"):
        replace(recipe, schedule=Schedule(steps=10))
    with pytest.raises(ForageError, match="critic's 2 mini-batches"):
        replace(
            recipe,
            grouping=replace(recipe.grouping, groups=1),
            optimization=replace(recipe.optimization, mini_batches=1),
        )
    with pytest.raises(ForageError, match="warm-up is a number of steps"):
        CriticTraining(warmup=-1)


def test_a_recipe_of_before_critics_can_still_be_read() -> None:
    recipe = apply(replace(countdown(model="none"), methods=()), [grpo()])
    encoded = encode_part(recipe)
    del encoded["critic"]
    assert decode_part(encoded, Recipe) == recipe


class Lengths:
    """A critic to which a state is worth its number of tokens."""

    def measure(self, batch: Batch) -> Tensor:
        return batch.loss_mask.cumsum(dim=1).float()

    def value(self, states: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor([float(len(state)) for state in states])


def test_values_of_starts_by_the_critic_take_no_tokens() -> None:
    coins, task = Coins(), countdown(model="none").task
    tools = Tools(coins, coins, coins, critic=Lengths())
    values = CriticValues().open(task, tools, SamplingParams(), seed=0)
    found = values([Start(problem()), Start(problem(), (1, 0, 1))])
    assert [value.mean for value in found] == [1, 4]  # the prompt is one token
    assert all(math.isnan(value.error) and (value.judged, value.tokens) == (1, 0) for value in found)
    assert isinstance(found[0], StartValue)
    assert coins.asked == []
    assert values([]) == ()
    with pytest.raises(ForageError, match="trains none"):
        CriticValues().open(task, coins.tools, SamplingParams(), seed=0)


def test_a_memory_may_ask_the_critic(tiny_base: Path, tmp_path: Path) -> None:
    """Retrospective replay whose states the critic values: the tokens of the run are those of its responses alone."""
    recipe = small(tiny_base, ppo(critic_warmup=1), rrl(**REPLAY))
    assert isinstance(recipe.memory, RetrospectiveReplay)
    train(replace(recipe, memory=replace(recipe.memory, values=CriticValues())), out=tmp_path / "run")
    found = rows(tmp_path / "run")
    assert found[-1]["replay_entries"] > 0
    assert found[-1]["tokens"] == pytest.approx(sum(16 * row["length"] for row in found))

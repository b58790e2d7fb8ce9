"""Methods for several right answers: what they put where, what they refuse, and that they train and resume."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from forage.bench.arms import with_controls
from forage.core.errors import ForageError
from forage.core.records import Problem, SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import (
    METHODS,
    Applied,
    apply,
    dr_grpo,
    entropy_target,
    grpo,
    kl_cov,
    mode_diversity,
    mode_diversity_random,
    nsr,
    psr,
    strategy_modes,
    weighted_reinforce,
)
from forage.parts.losses.surrogate import PPOClip
from forage.parts.rewards import ModeDiversity
from forage.recipes import countdown
from forage.store.run_directory import RunDirectory
from forage.tasks.countdown import Countdown
from forage.tasks.steps import Stepwise
from forage.training.loop import resume, train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.worlds import EASY, World, blank_model


@dataclass(frozen=True, kw_only=True)
class Moded(World):
    name: ClassVar[str] = "moded"

    def mode(self, problem: Problem, text: str) -> str | None:
        return text


def on(task: Any, methods: Sequence[Applied]) -> Recipe:
    return apply(Recipe(name="toy", model="none", task=task, grouping=Grouping(group_size=8)), methods)


def keyed() -> list[str]:
    counting_answers = ("answer_ucb", "answer_ucb_random")
    return [name for name, method in METHODS.items() if "key" in method.parameters and name not in counting_answers]


def test_methods_keyed_by_modes_refuse_a_task_without_them_by_name() -> None:
    assert len(keyed()) == 14
    for name in keyed():
        with pytest.raises(ForageError, match=f"the task {EASY.name} names none"):
            on(EASY, [grpo(), METHODS[name]()])
        assert on(Moded(worth=EASY.worth), [grpo(), METHODS[name]()]).methods
        assert on(EASY, [grpo(), strategy_modes(grams="phrases"), METHODS[name]()]).methods
        assert on(Stepwise(task=Moded(worth=EASY.worth)), [grpo(), METHODS[name]()]).methods


def test_a_placebo_is_the_method_and_one_difference() -> None:
    task = Moded(worth=EASY.worth)
    method = on(task, [dr_grpo(), mode_diversity(rule="darling")])
    placebo = on(task, [dr_grpo(), mode_diversity_random(rule="darling")])
    assert method.rewards == (ModeDiversity(rule="darling"),)
    assert placebo.rewards == (ModeDiversity(rule="darling", permuted=True),)
    assert replace(placebo, rewards=method.rewards, methods=method.methods) == method


def test_every_method_here_has_a_control_that_takes_its_settings() -> None:
    controlled = {method.control_of for method in METHODS.values() if method.control_of}
    named = "mode_diversity unlikeliness uniqueness cue ucpo setpo clip_cov kl_cov top_entropy_tokens"
    assert set(named.split()) <= controlled
    arms = with_controls([(grpo(), mode_diversity(rule="ips", alpha=0.5))], ["all"], METHODS)  # pyright: ignore
    assert len(arms) == 3


def test_denominators() -> None:
    for method, kept in ((psr(), 1), (nsr(), 1), (weighted_reinforce(), 0), (nsr(denominator="all"), 0)):
        assert len(on(Countdown(size="demo"), [method]).credit.shapes) == kept
    with pytest.raises(ForageError, match="denominator"):
        on(Countdown(size="demo"), [nsr(denominator="some")])  # pyright: ignore[reportArgumentType]


def test_kl_cov_clips_nothing() -> None:
    recipe = on(Countdown(size="demo"), [grpo(), kl_cov()])
    assert recipe.policy_loss.surrogate == PPOClip(low=1.0, high=float("inf"))
    assert "noise" in recipe.needs
    assert "kl_cov" not in recipe.needs
    with pytest.raises(ForageError, match="already"):
        on(Countdown(size="demo"), [grpo(), kl_cov(), kl_cov()])


def final_state(path: Path) -> dict[str, bytes]:
    last = RunDirectory.open(path).latest_checkpoint()
    names = ("model.safetensors", "training/optimizer.safetensors", "training/state.json")
    return {name: (last / name).read_bytes() for name in names}


def test_an_interrupted_entropy_target_ends_with_the_same_bits(tiny_base: Path, tmp_path: Path) -> None:
    """The coefficient is carried through the checkpoint: begun again at 0 it would be another run."""

    def small() -> Recipe:
        recipe = countdown(
            model=str(tiny_base), steps=4, groups=4, group_size=4, max_tokens=16, lr=1e-3, threads=1, matmul="highest"
        )
        return apply(replace(recipe, methods=()), [grpo(), entropy_target(target=9.0, step=0.01, maximum=1.0)])

    def interrupt(metrics: object) -> None:
        if isinstance(metrics, dict) and metrics["step"] == 2:
            raise KeyboardInterrupt

    train(small(), out=tmp_path / "whole")
    assert not train(small(), out=tmp_path / "parts", on_step=interrupt).finished
    assert resume(tmp_path / "parts").finished
    assert final_state(tmp_path / "parts") == final_state(tmp_path / "whole")
    carried = json.loads(final_state(tmp_path / "parts")["training/state.json"])["policy"]["loss.entropy_coefficient"]
    assert carried == pytest.approx(4 * 2 * 0.01)  # four steps of two optimizer steps


@pytest.mark.parametrize("method", [mode_diversity(), mode_diversity_random()], ids=["method", "placebo"])
def test_modes_reach_the_reward_of_a_run(method: Applied, tmp_path: Path) -> None:
    """Under IPS the mean reward of a group is the number of its right modes: here a word each, north and south."""
    world = Moded(worth=(("north", 1.0), ("south", 1.0)))
    recipe = Recipe(
        name="modes",
        model=str(blank_model(tmp_path / "model")),
        task=world,
        schedule=Schedule(steps=2, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=16),
        sampling=SamplingParams(max_tokens=1),
        optimization=Optimization(mini_batches=1),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    train(apply(recipe, [dr_grpo(), method]), out=tmp_path / "run")
    for row in RunDirectory.open(tmp_path / "run").metrics():
        assert 3 * row["reward"] == pytest.approx(round(3 * row["reward"]), abs=1e-5)
        assert 1 < row["reward"] <= 2

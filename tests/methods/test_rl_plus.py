"""RL-PLUS: what it composes and refuses, and that a run learns and resumes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem, SamplingParams, Score
from forage.engines.optimization import Optimization
from forage.methods import Applied, dr_grpo, grpo, rl_plus, rl_plus_others, success_replay
from forage.parts.losses.demonstrations import SurrogateRatio
from forage.parts.memory.references import References
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Recipe, Schedule
from support.interruptions import train_whole_and_in_parts
from support.small_recipes import small_recipe
from support.worlds import EASY, World, blank_model


@dataclass(frozen=True, kw_only=True)
class Far(World):
    """Right are three words, of which the last is that of the question: one response of 512 by luck."""

    name: ClassVar[str] = "far"
    worth: tuple[tuple[str, float], ...] = ()

    def reference(self, problem: Problem) -> str:
        _, _, word = problem.id.partition(":")
        return f"north south {word}"

    def verify(self, problem: Problem, text: str) -> Score:
        right = text == self.reference(problem)
        return Score(float(right), {"correct": float(right), "commit": 1.0})


FIVE_STEPS = Schedule(steps=5, checkpoint_every=0, rollouts_every=0)


def toy(methods: Sequence[Applied], model: Path = Path("none"), task: World | None = None, **changes: Any) -> Recipe:
    settings = {"schedule": FIVE_STEPS, "optimization": Optimization(mini_batches=1, lr=6e-3), **changes}
    return small_recipe(model, task or Far(), *methods, **settings)


def trained(place: Path, methods: Sequence[Applied], **changes: Any) -> RunDirectory:
    train(toy(methods, blank_model(place.parent / "model"), **changes), out=place)
    return RunDirectory.open(place)


def final_weights(run: RunDirectory) -> bytes:
    return (run.latest_checkpoint() / "model.safetensors").read_bytes()


def test_it_is_the_algorithm_and_one_memory_and_term() -> None:
    recipe, plain = toy([grpo(), rl_plus(gamma=0.25, uniform=0.125)]), toy([grpo()])
    assert recipe.memory == References(inner=plain.memory)
    assert recipe.policy_loss.demonstration_penalties == (SurrogateRatio(gamma=0.25, uniform=0.125),)
    loss = replace(recipe.policy_loss, demonstration_penalties=())
    assert replace(recipe, memory=plain.memory, policy_loss=loss, methods=plain.methods) == plain
    control = toy([grpo(), rl_plus_others(gamma=0.25, uniform=0.125)])
    assert control.memory == replace(recipe.memory, anywhere=True)  # pyright: ignore[reportArgumentType]
    assert replace(control, memory=recipe.memory, methods=recipe.methods) == recipe


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="world knows none"):
        toy([grpo(), rl_plus()], task=EASY)
    with pytest.raises(ForageError, match="kept responses already"):
        toy([grpo(), success_replay(), rl_plus()])
    with pytest.raises(ForageError, match="no right response of at most 2 tokens"):
        trained(tmp_path / "short", [grpo(), rl_plus()], sampling=SamplingParams(max_tokens=2))


def test_a_strength_of_zero_is_the_base_algorithm_bit_for_bit(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", [dr_grpo()])
    zero = trained(tmp_path / "zero", [dr_grpo(), rl_plus(coefficient=0.0)])
    shown = trained(tmp_path / "shown", [dr_grpo(), rl_plus()])
    assert final_weights(plain) == final_weights(zero) != final_weights(shown)
    assert [row.get("demonstrations", 0) for row in zero.metrics()] == [0, 3, 3, 3, 3]
    first, *_, last = (row["surrogate_ratio_penalty"] for row in shown.metrics()[1:])
    # Once a step the policy is the one before it: 4 p sqrt(1 - p) / (3 p + 1) is above 0 and below 1.
    assert -1 < last < first < 0


def test_what_luck_does_not_show_it_learns_and_other_responses_do_not_teach(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"schedule": Schedule(steps=40, checkpoint_every=0, rollouts_every=0)}
    right = {}
    for name, methods in (("plain", []), ("method", [rl_plus()]), ("control", [rl_plus_others()])):
        rows = trained(tmp_path / name, [grpo(), *methods], **settings).metrics()[-5:]
        right[name] = sum(row["correct"] for row in rows) / len(rows)
    assert right["method"] > 0.8
    assert right["plain"] < 0.1
    assert right["control"] < 0.6, "it learns the form, and not which word"


def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    recipe = toy([grpo(), rl_plus_others()], blank_model(tmp_path / "model"))
    whole, parts = map(RunDirectory.open, train_whole_and_in_parts(recipe, tmp_path, stop_after=3))
    assert final_weights(whole) == final_weights(parts)
    assert whole.metrics()[-1]["demonstrations"] == 3

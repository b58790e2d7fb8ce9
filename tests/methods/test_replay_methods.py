"""Methods that learn from kept responses: what they compose and refuse, and that they train and resume bit for bit."""

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
    base_anchor,
    base_anchor_likelihood,
    dr_grpo,
    grpo,
    maxrl,
    mode_replay,
    mode_replay_frequency,
    mode_replay_others,
    mode_replay_single,
    mode_replay_unlearned,
    rrl,
    success_replay,
    success_replay_fresh,
    success_replay_random,
)
from forage.parts.losses.demonstrations import BehaviourKL, Likelihood, ShapedRatio
from forage.parts.memory import BaseSamples, RetrospectiveReplay, SuccessReplay, VerifiedModes
from forage.store.run_directory import RunDirectory
from forage.tasks.countdown import Countdown
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.interruptions import train_whole_and_in_parts
from support.worlds import EASY, World, blank_model


@dataclass(frozen=True, kw_only=True)
class Moded(World):
    """Right are north and south; a mode is the word."""

    name: ClassVar[str] = "moded replay"
    worth: tuple[tuple[str, float], ...] = (("north", 1.0), ("south", 1.0))

    def mode(self, problem: Problem, text: str) -> str | None:
        return text


def toy(methods: Sequence[Applied], model: Path | str = "none", task: Any = None, **changes: Any) -> Recipe:
    recipe = Recipe(
        name="toy",
        model=str(model),
        task=task or Moded(),
        schedule=Schedule(steps=5, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=8),
        sampling=SamplingParams(max_tokens=1),
        optimization=Optimization(mini_batches=1, lr=3e-3),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    return apply(replace(recipe, **changes), methods)


def trained(place: Path, methods: Sequence[Applied], **changes: Any) -> RunDirectory:
    train(toy(methods, blank_model(place.parent / "model", layers=1), **changes), out=place)
    return RunDirectory.open(place)


def final_state(run: RunDirectory) -> dict[str, bytes]:
    last = run.latest_checkpoint()
    names = ("model.safetensors", "training/optimizer.safetensors", "training/state.json")
    return {name: (last / name).read_bytes() for name in names}


# ------------------------------------------------------------------------------------------------------- composition


@pytest.mark.parametrize("base", [grpo(), dr_grpo(), maxrl()], ids=lambda method: method.label)
def test_mode_replay_wraps_the_memory_of_any_algorithm_and_scales_with_the_group(base: Applied) -> None:
    recipe, plain = toy([base, mode_replay(coefficient=0.3)]), toy([base])
    assert recipe.memory == VerifiedModes(inner=plain.memory)
    assert recipe.policy_loss.demonstration_penalties == (Likelihood(coefficient=0.3 * 7 / 64),)
    loss = replace(recipe.policy_loss, demonstration_penalties=())
    assert replace(recipe, memory=plain.memory, policy_loss=loss, methods=plain.methods) == plain


def test_a_control_is_the_method_and_one_difference() -> None:
    method = toy([dr_grpo(), mode_replay(coefficient=0.3, key="text")])
    memory = VerifiedModes(key="text")
    for control, changed in (
        (mode_replay_frequency(coefficient=0.3, key="text"), replace(memory, shares="frequency")),
        (mode_replay_single(coefficient=0.3, key="text"), replace(memory, slots=1)),
        (mode_replay_others(coefficient=0.3, key="text"), replace(memory, others=True)),
    ):
        recipe = toy([dr_grpo(), control])
        assert recipe.memory == changed
        assert replace(recipe, memory=memory, methods=method.methods) == method
    unlearned = toy([dr_grpo(), mode_replay_unlearned(key="text")])
    assert unlearned.memory == memory
    assert unlearned.policy_loss.demonstration_penalties == (Likelihood(coefficient=0.0),)


def test_bench_puts_every_control_beside_its_method() -> None:
    arms = with_controls([(grpo(), mode_replay(coefficient=0.3))], ["all"], METHODS)  # pyright: ignore
    assert [arm[-1].label for arm in arms] == [
        "mode_replay:coefficient=0.3",
        "mode_replay_frequency:coefficient=0.3",
        "mode_replay_others:coefficient=0.3",
        "mode_replay_single:coefficient=0.3",
        "mode_replay_unlearned",
    ]


def test_a_task_without_modes_is_refused_by_name() -> None:
    for name in ("mode_replay", *(m.name for m in METHODS.values() if m.control_of == "mode_replay")):
        with pytest.raises(ForageError, match=f"mode_replay.*the task {EASY.name} names none"):
            toy([grpo(), METHODS[name]()], task=EASY)


def test_two_that_learn_from_kept_responses_and_two_memories_of_starts_are_refused() -> None:
    with pytest.raises(ForageError, match="already"):
        toy([grpo(), mode_replay(), mode_replay_single()])
    with pytest.raises(ForageError, match="give it after"):
        toy([grpo(), mode_replay(), rrl()], task=Countdown(size="demo"))
    both = toy([grpo(), rrl(), mode_replay()], task=Countdown(size="demo"))
    assert isinstance(both.memory, VerifiedModes)
    assert isinstance(both.memory.inner, RetrospectiveReplay)


def test_settings_that_make_no_sense_are_refused() -> None:
    for settings in ({"coefficient": -0.1}, {"coefficient": float("nan")}, {"slots": 0}):
        with pytest.raises(ForageError):
            toy([grpo(), mode_replay(**settings)])  # pyright: ignore[reportArgumentType]


def test_success_replay_takes_the_scale_of_its_algorithm_and_the_numbers_of_its_paper() -> None:
    rlep = toy([dr_grpo(), success_replay()], task=EASY)
    assert rlep.memory == SuccessReplay(inner=toy([dr_grpo()]).memory, replays=2)
    assert rlep.policy_loss.demonstration_penalties == (Likelihood(coefficient=1.0),)
    exgrpo = toy([grpo(), success_replay(rule="exgrpo")], task=EASY)
    assert exgrpo.memory == SuccessReplay(replays=1, choice="entropy", share=0.5, scale="std")
    assert exgrpo.policy_loss.demonstration_penalties == (ShapedRatio(coefficient=1.0),)
    with pytest.raises(ForageError, match="rlep or exgrpo"):
        toy([grpo(), success_replay(rule="both")])  # pyright: ignore[reportArgumentType]


def test_controls_of_success_replay() -> None:
    for rule in ("rlep", "exgrpo"):
        method, plain = toy([dr_grpo(), success_replay(rule=rule)]), toy([dr_grpo()])
        chance = toy([dr_grpo(), success_replay_random(rule=rule)])
        assert isinstance(method.memory, SuccessReplay)
        assert replace(chance, memory=method.memory, methods=method.methods) == method
        assert chance.memory == replace(method.memory, anywhere=True)
        fresh = toy([dr_grpo(), success_replay_fresh(rule=rule)])
        assert fresh.grouping.group_size == 8 + (2 if rule == "rlep" else 1)
        assert replace(fresh, grouping=plain.grouping, methods=plain.methods) == plain


def test_base_anchor_and_its_control_differ_in_the_term_alone() -> None:
    anchor, control = (toy([dr_grpo(), m(coefficient=0.05, solved=0.5)]) for m in (base_anchor, base_anchor_likelihood))
    assert anchor.memory == control.memory == BaseSamples(solved=0.5)
    assert anchor.policy_loss.demonstration_penalties == (BehaviourKL(coefficient=0.05),)
    assert control.policy_loss.demonstration_penalties == (Likelihood(coefficient=0.05),)
    loss = replace(control.policy_loss, demonstration_penalties=anchor.policy_loss.demonstration_penalties)
    assert replace(control, policy_loss=loss, methods=anchor.methods) == anchor


# ---------------------------------------------------------------------------------------------------------- training


def test_at_strength_zero_a_run_is_the_base_algorithms_bit_for_bit(tmp_path: Path) -> None:
    """Two mini-batches and two epochs, so that rows of demonstrations are cut with their groups."""
    settings = Optimization(mini_batches=2, epochs=2, lr=3e-3)
    plain = trained(tmp_path / "plain", [dr_grpo()], optimization=settings)
    unlearned = trained(tmp_path / "unlearned", [dr_grpo(), mode_replay_unlearned()], optimization=settings)
    learned = trained(tmp_path / "learned", [dr_grpo(), mode_replay(coefficient=1.0)], optimization=settings)
    weights = [final_state(run) for run in (plain, unlearned, learned)]
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        assert weights[0][name] == weights[1][name]
        assert weights[0][name] != weights[2][name]
    rows = [run.metrics() for run in (plain, unlearned)]
    for one, other in zip(*rows, strict=True):
        assert {key: other[key] for key in one if key != "seconds"} == {k: v for k, v in one.items() if k != "seconds"}
    assert rows[1][0]["exemplars"] == 0
    assert rows[1][-1]["exemplars"] == 6
    assert rows[1][-1]["exemplars_per_problem"] == 2
    assert rows[1][-1]["demonstrations"] == 6 * 2, "in each of two epochs"
    assert "demonstrations" not in rows[1][0]


def test_success_replay_with_nothing_to_show_is_the_base_algorithm_bit_for_bit(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", [grpo()])
    never = trained(tmp_path / "never", [grpo(), success_replay(rule="exgrpo", begin=1.0)])
    shown = trained(tmp_path / "shown", [grpo(), success_replay(rule="exgrpo", begin=0.0)])
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        assert final_state(plain)[name] == final_state(never)[name] != final_state(shown)[name]
    assert never.metrics()[-1]["exemplars"] > 0
    assert any(row.get("demonstrations") for row in shown.metrics())


@pytest.mark.parametrize(
    "method",
    [
        mode_replay(coefficient=0.5),
        mode_replay_others(coefficient=0.5),
        base_anchor(coefficient=0.5, solved=0.125),
        success_replay(),
        success_replay(rule="exgrpo", begin=0.0),
        success_replay_random(rule="exgrpo", begin=0.0),
    ],
    ids=lambda method: method.label,
)
def test_an_interrupted_run_ends_with_the_same_bits(method: Applied, tmp_path: Path) -> None:
    schedule = Schedule(steps=4, rollouts_every=0)
    recipe = toy([dr_grpo(), method], blank_model(tmp_path / "model", layers=1), schedule=schedule)
    whole, parts = map(RunDirectory.open, train_whole_and_in_parts(recipe, tmp_path, stop_after=3))
    assert final_state(parts) == final_state(whole)
    assert whole.metrics()[-1]["demonstrations"] > 0
    kept = json.loads(final_state(whole)["training/state.json"])["memory"]
    assert len(next(kept[name] for name in ("bank", "pool", "kept") if name in kept)) >= 2


def test_replay_keeps_the_way_that_the_algorithm_loses(tmp_path: Path) -> None:
    """Two right words, of which the policy is pulled to one; at equal steps replay keeps both."""
    settings: dict[str, Any] = {
        "schedule": Schedule(steps=45, checkpoint_every=0, rollouts_every=0),
        "optimization": Optimization(mini_batches=1, lr=6e-3),
    }
    found = {}
    for name, methods in (("plain", []), ("replay", [mode_replay(coefficient=1.0)])):
        rows = trained(tmp_path / name, [dr_grpo(), *methods], **settings).metrics()[-20:]
        found[name] = {key: sum(row[key] for row in rows) / len(rows) for key in ("correct", "distinct_modes")}
    assert found["replay"]["correct"] > 0.9
    assert found["replay"]["distinct_modes"] > found["plain"]["distinct_modes"] + 0.3


def test_the_base_is_asked_once_and_at_strength_zero_changes_nothing_but_the_tokens(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", [dr_grpo()])
    zero = trained(tmp_path / "zero", [dr_grpo(), base_anchor(coefficient=0.0, solved=0.125)])
    held = trained(tmp_path / "held", [dr_grpo(), base_anchor(coefficient=1.0, solved=0.125)])
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        assert final_state(plain)[name] == final_state(zero)[name] != final_state(held)[name]
    assert {more["tokens"] - one["tokens"] for one, more in zip(plain.metrics(), zero.metrics(), strict=True)} == {24}
    counts = [row["exemplars"] for row in zero.metrics()]
    assert counts == counts[:1] * 5
    assert "demonstrations" not in zero.metrics()[0], "the policy is the base"
    assert [row["demonstrations"] for row in zero.metrics()[1:]] == [min(6, counts[0])] * 4
    drift = [run.metrics()[-1]["behaviour_kl_penalty"] for run in (zero, held)]
    assert 0 < drift[1] < drift[0]


def test_a_base_that_solves_nothing_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Lower base_anchor's `solved`"):
        trained(tmp_path / "run", [dr_grpo(), base_anchor()])

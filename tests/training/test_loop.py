"""Runs from end to end: the same bits every time, whatever interrupts them."""

import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forage.bench.fork_server import ForkServer
from forage.core.errors import ForageError
from forage.methods import dapo, entropy_advantage, entropy_penalty, grpo, kl_penalty, passk
from forage.parts.rewards import Overlong
from forage.recipes import countdown
from forage.store.run_directory import RunDirectory
from forage.training.loop import resume, train
from forage.training.recipe import Recipe, Verifying


def small(base: Path, *methods: Any, steps: int = 3, **settings: Any) -> Recipe:
    defaults: dict[str, Any] = {"groups": 4, "group_size": 4, "max_tokens": 12, "checkpoint_every": 2, "lr": 1e-3}
    recipe = countdown(
        model=str(base), method=methods, steps=steps, threads=1, matmul="highest", **{**defaults, **settings}
    )
    # So small a model never solves a problem; lengths differ, so this reward lets it learn something.
    return replace(recipe, rewards=(*recipe.rewards, Overlong(limit=12, buffer=10)))


def rows(path: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in RunDirectory.open(path).metrics()]


def final_weights(path: Path) -> bytes:
    return (RunDirectory.open(path).latest_checkpoint() / "model.safetensors").read_bytes()


def assert_same_run(one: Path, other: Path) -> None:
    assert json.dumps(rows(one)) == json.dumps(rows(other))
    assert final_weights(one) == final_weights(other)


@pytest.fixture(scope="module")
def reference(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six uninterrupted steps."""
    out = tmp_path_factory.mktemp("reference") / "run"
    train(small(tiny_base, grpo(), entropy_advantage(), steps=6, epochs=2), out=out)
    return out


def test_a_run_leaves_what_the_design_promises(reference: Path) -> None:
    run = RunDirectory.open(reference)
    assert [row["step"] for row in run.metrics()] == list(range(1, 7))
    assert run.checkpoints() == [4, 6]
    assert run.rollout_steps() == [1, 6], "the untrained model's own, and the last"
    (first, *_) = run.rollouts(6)
    assert len(first["tokens"]) == len(first["pieces"]) == len(first["entropies"]) == len(first["advantages"])
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {p.name for p in run.latest_checkpoint().iterdir()}
    last = run.metrics()[-1]
    for key in ("reward", "entropy", "length", "truncated", "zero_variance", "grad_norm", "clip_share", "lr", "tokens"):
        assert key in last, key


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    reference: Path, tiny_base: Path, tmp_path: Path
) -> None:
    train(small(tiny_base, grpo(), entropy_advantage(), steps=6, epochs=2), out=tmp_path / "again")
    assert_same_run(reference, tmp_path / "again")
    train(small(tiny_base, grpo(), entropy_advantage(), steps=1, epochs=2, seed=1), out=tmp_path / "other")
    assert rows(tmp_path / "other") != rows(reference)[:1]


def test_verifier_workers_change_nothing(reference: Path, tiny_base: Path, tmp_path: Path) -> None:
    recipe = small(tiny_base, grpo(), entropy_advantage(), steps=6, epochs=2)
    train(replace(recipe, verifying=Verifying(workers=2)), out=tmp_path / "workers")
    assert_same_run(reference, tmp_path / "workers")


def test_alpha_zero_is_the_base_run_bit_for_bit(tiny_base: Path, tmp_path: Path) -> None:
    train(small(tiny_base, grpo()), out=tmp_path / "base")
    train(small(tiny_base, grpo(), entropy_advantage(alpha=0.0)), out=tmp_path / "zero")
    train(small(tiny_base, grpo(), entropy_advantage()), out=tmp_path / "bonus")
    assert final_weights(tmp_path / "base") == final_weights(tmp_path / "zero")
    assert final_weights(tmp_path / "base") != final_weights(tmp_path / "bonus")


@pytest.mark.parametrize(
    "methods",
    [(dapo(),), (passk(k=2),), (grpo(), kl_penalty(coefficient=0.1)), (grpo(), entropy_penalty(coefficient=0.01))],
    ids=["dapo", "passk", "kl", "entropy"],
)
def test_other_methods_run_and_resume(tiny_base: Path, tmp_path: Path, methods: tuple[Any, ...]) -> None:
    recipe = small(tiny_base, *methods, steps=3, checkpoint_every=0)
    train(recipe, out=tmp_path / "whole")

    def stop_in_the_middle(metrics: Any) -> None:
        if metrics["step"] == 2:
            raise KeyboardInterrupt

    outcome = train(recipe, out=tmp_path / "parts", on_step=stop_in_the_middle)
    assert not outcome.finished
    assert outcome.step == 2
    assert resume(tmp_path / "parts").finished
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_an_existing_run_is_never_overwritten(reference: Path, tiny_base: Path) -> None:
    before = final_weights(reference)
    with pytest.raises(ForageError, match="resume"):
        train(small(tiny_base, grpo()), out=reference)
    assert final_weights(reference) == before


def test_resuming_a_finished_run_changes_nothing(reference: Path) -> None:
    before = (rows(reference), final_weights(reference))
    assert resume(reference).finished
    assert (rows(reference), final_weights(reference)) == before


def test_kill_minus_nine_at_random_moments_loses_nothing(
    reference: Path, tmp_path: Path, fork_server: ForkServer
) -> None:
    """The run is killed a few times, at moments that differ in every execution; the end is the same bits."""
    path = tmp_path / "killed"
    RunDirectory.create(path, RunDirectory.open(reference).recipe())
    metrics, kills, rng = path / "metrics.jsonl", 0, random.Random()
    while kills < 2:
        process = fork_server.start([["resume", str(path)]], tmp_path / "killed.log")
        before = metrics.read_bytes() if metrics.exists() else b""
        while process.poll() is None:
            now = metrics.read_bytes() if metrics.exists() else b""
            if now != before:  # it is training: let it go on for a moment
                time.sleep(rng.uniform(0, 0.25))
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.005)
        if process.wait(timeout=120) == 0:
            break
        assert process.poll() == -signal.SIGKILL
    assert kills >= 1
    resume(path)
    assert_same_run(reference, path)


def test_interrupting_the_command_saves_and_says_how_to_go_on(
    tiny_base: Path, tmp_path: Path, fork_server: ForkServer
) -> None:
    path, log = tmp_path / "run", tmp_path / "said"
    command = ["train", "countdown", "--model", str(tiny_base), "--out", str(path)]
    command += ["--steps", "200", "--groups", "2", "--group-size", "2", "--threads", "1"]
    process = fork_server.start([command], log)
    while process.poll() is None and not (path / "metrics.jsonl").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert f"forage resume {path}" in log.read_text()
    last = RunDirectory.open(path).metrics()[-1]["step"]
    assert RunDirectory.open(path).checkpoints()[-1] == last


def test_a_budget_of_tokens_ends_a_run_and_survives_an_interruption(
    reference: Path, tiny_base: Path, tmp_path: Path
) -> None:
    spent = [int(row["tokens"]) for row in rows(reference)]
    for budget, most, steps in ((spent[1], 6, 2), (spent[1] + 1, 6, 3), (spent[5] + 1, 2, 2)):
        recipe = small(tiny_base, grpo(), entropy_advantage(), steps=most, epochs=2, tokens=budget)
        outcome = train(recipe, out=tmp_path / f"{budget}")
        assert (outcome.step, outcome.finished) == (steps, True)
        assert rows(outcome.path) == rows(reference)[:steps]
        assert RunDirectory.open(outcome.path).checkpoints()[-1] == steps
        assert RunDirectory.open(outcome.path).rollout_steps() == [1, steps]

    def stop(metrics: Any) -> None:
        if metrics["step"] == 1:
            raise KeyboardInterrupt

    recipe = small(tiny_base, grpo(), entropy_advantage(), steps=6, epochs=2, tokens=spent[1])
    assert not train(recipe, out=tmp_path / "parts", on_step=stop).finished
    assert resume(tmp_path / "parts").step == 2
    assert_same_run(tmp_path / "parts", tmp_path / f"{spent[1]}")
    assert resume(tmp_path / "parts").step == 2, "a finished run is not gone on with"
    with pytest.raises(ForageError, match="budget"):
        small(tiny_base, grpo(), tokens=-1)


def test_interrupts_at_any_moment_leave_a_state_that_the_run_passes_through(tiny_base: Path, tmp_path: Path) -> None:
    """Signals at fixed moments inside an update and the saving after it; the weights end as if there had been none."""
    for number, calls in enumerate(((16, 31), (16, 17, 18, 19, 20), tuple(range(18, 24)))):
        path, seen = tmp_path / f"{number}", [0]

        def count(frame: Any, event: str, argument: Any, seen: list[int] = seen, calls: Any = calls) -> None:
            if event == "call" and frame.f_code.co_name in ("_backward", "_write_step", "save", "write", "_inventory"):
                seen[0] += 1
                if seen[0] in calls:
                    os.kill(os.getpid(), signal.SIGINT)

        recipe = small(tiny_base, grpo(), entropy_advantage(), steps=4, epochs=2, micro_tokens=64)
        sys.setprofile(count)
        try:
            outcome = train(recipe, out=path)
        finally:
            sys.setprofile(None)
        assert not outcome.finished
        assert RunDirectory.open(path).checkpoints()[-1] == outcome.step
        assert len(rows(path)) == outcome.step
        while not outcome.finished:
            outcome = resume(path)
        whole = tmp_path / "whole"
        if number == 0:
            train(recipe, out=whole)
        assert_same_run(whole, path)


def test_nothing_is_saved_after_a_broken_change(tiny_base: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from forage.engines.local.policy import Learner

    update = Learner._update

    def breaks(self: Any, *arguments: Any) -> None:
        update(self, *arguments)
        if self.version == 5:  # the first of two in step 3
            raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "_update", breaks)
    with pytest.raises(KeyboardInterrupt, match="nothing since the last checkpoint"):
        train(small(tiny_base, grpo(), steps=4), out=tmp_path / "run")
    assert RunDirectory.open(tmp_path / "run").checkpoints() == [2]


def test_a_run_goes_on_longer_as_if_it_had_been_begun_so(tiny_base: Path, tmp_path: Path) -> None:
    train(small(tiny_base, grpo(), steps=5), out=tmp_path / "whole")
    train(small(tiny_base, grpo(), steps=3), out=tmp_path / "longer")
    assert resume(tmp_path / "longer", steps=5).step == 5
    assert_same_run(tmp_path / "whole", tmp_path / "longer")
    assert RunDirectory.open(tmp_path / "longer").recipe() == RunDirectory.open(tmp_path / "whole").recipe()
    assert json.loads((tmp_path / "longer/restated.jsonl").read_text()) == {"after": 3, "steps": 5, "before": 3}
    with pytest.raises(ForageError, match="taken 5 steps already"):
        resume(tmp_path / "longer", steps=4)
    assert resume(tmp_path / "longer", steps=5).finished, "the same again changes nothing"
    assert (tmp_path / "longer/restated.jsonl").read_text().count("\n") == 1


def test_rows_that_are_lost_are_missed_aloud(tiny_base: Path, tmp_path: Path) -> None:
    train(small(tiny_base, grpo(), steps=3), out=tmp_path / "run")
    metrics = tmp_path / "run/metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-20])
    with pytest.warns(UserWarning, match="cut off"), pytest.warns(UserWarning, match=r"ends with step 2 .* of step 3"):
        resume(tmp_path / "run", steps=4)
    with pytest.warns(UserWarning, match="no row of step 3: curves have a hole"):
        assert [row["step"] for row in RunDirectory.open(tmp_path / "run").metrics()] == [1, 2, 4]


def test_a_run_directory_that_was_deleted_is_not_called_intact(tiny_base: Path, tmp_path: Path) -> None:
    def delete(metrics: Any) -> None:
        if metrics["step"] == 1:
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(ForageError, match="is gone") as caught:
        train(small(tiny_base, grpo(), steps=3), out=tmp_path / "run", on_step=delete)
    assert "intact" not in str(caught.value)


def test_held_out_prompts_are_looked_at_before_the_first_step(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **limits: object) -> None:
        raise ForageError(f"a prompt of the test problems leaves no room for {limits['max_tokens']} tokens")

    monkeypatch.setattr("forage.training.loop.check_held_out", refuse)
    with pytest.raises(ForageError, match="leaves no room"):
        train(small(tiny_base, grpo()), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_a_recipe_is_trained() -> None:
    with pytest.raises(ForageError, match="Training takes a recipe"):
        train("countdown")  # pyright: ignore[reportArgumentType]

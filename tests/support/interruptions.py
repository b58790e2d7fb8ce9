"""Ends trainings before their time, and compares what became of them."""

import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from forage.bench.fork_server import ForkServer
from forage.store.run_directory import RunDirectory
from forage.training.fit import OnUpdate
from forage.training.loop import resume, train
from forage.training.recipe import Recipe


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def interrupting(at: int) -> OnUpdate:
    """Presses Ctrl-C in the middle of update `at`."""

    def hear(done: int, total: int, loss: float) -> None:
        if done == at:
            os.kill(os.getpid(), signal.SIGINT)

    return hear


def metrics_of(run: Path) -> list[dict[str, float]]:
    """The rows of a run without their seconds."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in RunDirectory.open(run).metrics()]


def train_whole_and_in_parts(recipe: Recipe, folder: Path, *, stop_after: int) -> tuple[Path, Path]:
    """The run of a recipe, and what a kill in the step after `stop_after` would have left of it, resumed."""
    whole, parts = folder / "whole", folder / "parts"
    recipe = replace(recipe, schedule=replace(recipe.schedule, checkpoint_every=stop_after))

    def copy_what_is_there(metrics: Mapping[str, float]) -> None:
        if metrics["step"] == stop_after + 1:
            shutil.copytree(whole, parts)

    assert train(recipe, out=whole, on_step=copy_what_is_there).step > stop_after
    (newest,) = (parts / "checkpoints").glob(f"step-{stop_after:06}")
    assert newest == RunDirectory.open(parts).latest_checkpoint()
    assert resume(parts).finished
    return whole, parts


def kill_after_a_checkpoint(server: ForkServer, command: Sequence[str], out: Path) -> None:
    """Runs a training command, with its `--out`, and kills it as soon as it has written a checkpoint."""
    process = server.start([[*command, "--out", str(out)]], out.with_name(f"{out.name}.log"))
    checkpoints = out.with_name(f"{out.name}-unfinished") / "checkpoints"
    until = time.monotonic() + 120
    while not (checkpoints.is_dir() and any(checkpoints.glob("step-*"))):
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()

"""Ends trainings before their time, and compares what became of them."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from forage.bench.processes import ForkServer
from forage.reward_models.fit import OnUpdate


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def interrupting(at: int) -> OnUpdate:
    """Presses Ctrl-C in the middle of update `at`."""

    def hear(done: int, total: int, loss: float) -> None:
        if done == at:
            os.kill(os.getpid(), signal.SIGINT)

    return hear


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

"""A process model's training that is interrupted or killed ends with the bits of one that was left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forage.engines.local.step_heads import HeadKind
from forage.errors import ForageError
from forage.prm.formats import TaggedSolution, write_labels
from forage.process.checkpoints import train_checkpoint
from forage.process.train import OnUpdate, ProcessTraining

STEPS = ("try 1 + 2 = 3 3 4", "try 4 - 2 = 2 1 3", "check 3 10 no")
SOLUTIONS = tuple(
    TaggedSolution(prompt=f"use {n % 9 + 1} 2 3 4 to make 10", steps=STEPS[: 1 + n % 3], values=VALUES[: 1 + n % 3])
    for VALUES in [(0.9, 0.25, 0.0)]
    for n in range(24)
)
SETTINGS = ProcessTraining(epochs=3, batch=4, held_out=0.2, seed=3)


def train(
    base: Path, out: Path, on_update: OnUpdate | None = None, head: HeadKind = "two-token", every: int = 3
) -> None:
    train_checkpoint(
        base,
        solutions=SOLUTIONS,
        out=out,
        settings=SETTINGS,
        head=head,
        checkpoint_every=every,
        threads=1,
        on_update=on_update,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def interrupting(at: int) -> OnUpdate:
    def hear(done: int, total: int, loss: float) -> None:
        if done == at:
            os.kill(os.getpid(), signal.SIGINT)

    return hear


@pytest.mark.parametrize("head", ["two-token", "scalar"])
def test_interrupted_and_continued_is_uninterrupted(head: HeadKind, tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, tmp_path / "whole", head=head)
    numbers: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        train(tiny_base, tmp_path / "parts", interrupting(5), head=head, every=0)
    assert (tmp_path / "parts-unfinished/checkpoints/step-000005").is_dir()
    train(tiny_base, tmp_path / "parts", lambda done, total, loss: numbers.append(done), head=head)
    assert numbers[0] == 6
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    assert not (tmp_path / "parts-unfinished").exists()
    assert ("scalar_head/scalar.safetensors" in files(tmp_path / "whole")) == (head == "scalar")


def test_killed_and_continued_is_uninterrupted(tiny_base: Path, tmp_path: Path) -> None:
    text, _ = write_labels(SOLUTIONS, "er-prm")
    labels = tmp_path / "labels.jsonl"
    labels.write_text(text)
    command = [sys.executable, "-m", "forage", "prm", "train", str(labels), "--model", str(tiny_base), "--threads", "1"]
    command += ["--epochs", "12", "--batch", "4", "--checkpoint-every", "5", "--held-out", "0.2"]
    killed = subprocess.Popen([*command, "--out", str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    checkpoints = tmp_path / "killed-unfinished" / "checkpoints"
    wait_for(lambda: checkpoints.is_dir() and any(checkpoints.glob("step-*")), killed)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    for name in ("killed", "whole"):
        subprocess.run([*command, "--out", str(tmp_path / name)], check=True, capture_output=True)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.005)


def test_other_wishes_and_other_processes_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    def second(done: int, total: int, loss: float) -> None:
        with pytest.raises(ForageError, match="Another process"):
            train(tiny_base, tmp_path / "out")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_base, tmp_path / "out", second)
    with pytest.raises(ForageError, match="begun with other head"):
        train(tiny_base, tmp_path / "out", head="scalar")
    (tmp_path / "out-unfinished/begun.json").write_text("{")
    with pytest.raises(ForageError, match="damaged"):
        train(tiny_base, tmp_path / "out")


def test_what_was_found_about_held_out_labels_is_kept(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, tmp_path / "out")
    found = json.loads((tmp_path / "out/calibration.json").read_text())
    assert found["held_out"] > 0
    assert set(found["calibration"]) == {"brier", "ece", "accuracy", "curve"}
    assert sum(steps for _, _, steps in found["calibration"]["curve"]) > found["held_out"]
    assert {"located", "accepted", "f1", "exact", "wrong", "clean"} == set(found["first_errors"])

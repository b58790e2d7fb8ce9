"""A process model's training that is interrupted or killed ends with the bits of one that was left alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from forage.bench.fork_server import ForkServer
from forage.cli import main
from forage.core.errors import ForageError
from forage.engines.local.step_heads import HeadKind
from forage.reward_models.prm.checkpoints import train_checkpoint
from forage.reward_models.prm.formats import TaggedSolution, write_labels
from forage.reward_models.prm.train import ProcessTraining
from forage.training.fit import OnUpdate
from support.interruptions import files, interrupting, kill_after_a_checkpoint

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


def test_killed_and_continued_is_uninterrupted(tiny_base: Path, tmp_path: Path, fork_server: ForkServer) -> None:
    text, _ = write_labels(SOLUTIONS, "er-prm")
    labels = tmp_path / "labels.jsonl"
    labels.write_text(text)
    command = ["prm", "train", str(labels), "--model", str(tiny_base), "--threads", "1"]
    command += ["--epochs", "4", "--batch", "4", "--checkpoint-every", "5", "--held-out", "0.2"]
    kill_after_a_checkpoint(fork_server, command, tmp_path / "killed")
    for name in ("killed", "whole"):
        assert main([*command, "--out", str(tmp_path / name)]) == 0
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_other_wishes_and_other_processes_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    def second(done: int, total: int, loss: float) -> None:
        with pytest.raises(ForageError, match="Another process"):
            train(tiny_base, tmp_path / "out")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_base, tmp_path / "out", second)
    with pytest.raises(ForageError, match="begun with other head"):
        train(tiny_base, tmp_path / "out", head="scalar")
    assert (tmp_path / "out-unfinished/checkpoints/step-000001").is_dir()
    (tmp_path / "out-unfinished/request.json").write_text("{")
    with pytest.raises(ForageError, match="damaged"):
        train(tiny_base, tmp_path / "out")


def test_where_nothing_was_learned_nothing_is_in_the_way(tiny_base: Path, tmp_path: Path) -> None:
    """A training that failed at once is begun anew with other settings; one that was killed at once as well."""
    wrong = {"more than 1": replace(SETTINGS, max_tokens=1), "24 are held out": replace(SETTINGS, held_out=0.99)}
    for sentence, settings in wrong.items():
        with pytest.raises(ForageError, match=sentence):
            train_checkpoint(tiny_base, solutions=SOLUTIONS, out=tmp_path / "out", settings=settings)
    assert not (tmp_path / "out-unfinished").exists()
    (tmp_path / "out-unfinished").mkdir()
    (tmp_path / "out-unfinished/request.json").write_text("{}")
    train(tiny_base, tmp_path / "out")
    assert (tmp_path / "out/calibration.json").is_file()
    with pytest.raises(ForageError, match="counts updates"):
        train(tiny_base, tmp_path / "other", every=-1)
    assert not (tmp_path / "other-unfinished").exists()


def test_what_was_found_about_held_out_labels_is_kept(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, tmp_path / "out")
    found = json.loads((tmp_path / "out/calibration.json").read_text())
    assert found["held_out"] > 0
    assert set(found["calibration"]) == {"brier", "ece", "accuracy", "curve"}
    assert sum(steps for _, _, steps in found["calibration"]["curve"]) > found["held_out"]
    assert {"located", "accepted", "f1", "exact", "wrong", "clean"} == set(found["first_errors"])

"""A reward model's training that is interrupted or killed ends with the bits of one that was left alone."""

import json
from pathlib import Path

import pytest

from forage.bench.fork_server import ForkServer
from forage.cli import main
from forage.core.errors import ForageError
from forage.reward_models.preference.checkpoints import train_checkpoint
from forage.reward_models.preference.train import RewardTraining
from forage.training.fit import OnUpdate
from support.interruptions import files, interrupting, kill_after_a_checkpoint
from support.made_preferences import comparisons

RANKINGS = comparisons(48, 3)
SETTINGS = RewardTraining(epochs=2, batch=8, held_out=0.2, probe=4, seed=3)


def train(base: Path, out: Path, on_update: OnUpdate | None = None, every: int = 3) -> None:
    train_checkpoint(
        base, rankings=RANKINGS, out=out, settings=SETTINGS, checkpoint_every=every, threads=1, on_update=on_update
    )


@pytest.mark.parametrize("at", [2, 4, 9])
def test_interrupted_and_continued_is_uninterrupted(at: int, dialogue_base: Path, tmp_path: Path) -> None:
    """In the probe, where the body has no moments yet, at its end, and after it."""
    train(dialogue_base, tmp_path / "whole")
    numbers: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        train(dialogue_base, tmp_path / "parts", interrupting(at), every=0)
    assert (tmp_path / f"parts-unfinished/checkpoints/step-{at:06d}").is_dir()
    train(dialogue_base, tmp_path / "parts", lambda done, total, loss: numbers.append(done))
    assert numbers[0] == at + 1
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    assert not (tmp_path / "parts-unfinished").exists()


def test_killed_and_continued_is_uninterrupted(dialogue_base: Path, tmp_path: Path, fork_server: ForkServer) -> None:
    preferences = tmp_path / "ranked.jsonl"
    rows = [{"prompt": each.prompt, "ranked": each.responses} for each in RANKINGS]
    preferences.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["rm", "train", str(preferences), "--model", str(dialogue_base)]
    command += ["--epochs", "4", "--batch", "4", "--checkpoint-every", "5", "--probe", "3", "--threads", "1"]
    kill_after_a_checkpoint(fork_server, command, tmp_path / "killed")
    for name in ("killed", "whole"):
        assert main([*command, "--out", str(tmp_path / name)]) == 0
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_other_preferences_are_refused(dialogue_base: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(dialogue_base, tmp_path / "out", interrupting(1))
    with pytest.raises(ForageError, match="begun with other preferences"):
        train_checkpoint(dialogue_base, rankings=RANKINGS[1:], out=tmp_path / "out", settings=SETTINGS)

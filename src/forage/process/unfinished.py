"""A training that is under way: its folder beside the result, who may write there, and its newest state.

`OUT-unfinished` holds what was asked for (begun.json) and checkpoints; it disappears when OUT, complete, is there. The
same command continues a training that was interrupted or killed, bit for bit; another one is refused.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forage.atomic import recover, remove_directory, saying_why, write_file
from forage.engines.local.process_model import ProcessModel
from forage.errors import ForageError
from forage.process.train import TrainingState
from forage.store.checkpoint import latest_intact, load_tensors, save_tensors, write_checkpoint
from forage.training import TRAINING


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The folder of a training under way."""

    path: Path

    def load(self, *, device: str) -> tuple[ProcessModel, TrainingState] | None:
        """The newest intact state, or None at the beginning."""
        newest = latest_intact(self.path / "checkpoints")
        if newest is None:
            return None
        numbers = json.loads((newest / TRAINING / "state.json").read_text())
        moments = load_tensors(newest / TRAINING / "moments.safetensors")
        state = TrainingState(int(numbers["updates"]), float(numbers["loss"]), moments)
        return ProcessModel.load(newest, device=device), state

    def save(self, process: ProcessModel, state: TrainingState) -> None:
        def write(path: Path) -> None:
            process.save(path)
            (path / TRAINING).mkdir()
            save_tensors(path / TRAINING / "moments.safetensors", state.moments)
            (path / TRAINING / "state.json").write_text(json.dumps({"updates": state.updates, "loss": state.loss}))

        write_checkpoint(self.path / "checkpoints", state.updates, write, keep=1)

    def remove(self) -> None:
        remove_directory(self.path)


@contextmanager
def unfinished(out: Path, asked: Mapping[str, Any]) -> Iterator[Unfinished]:
    """The folder of the training that will become `out`, kept from other processes meanwhile.

    `asked` (JSON) is all that decides the result. Raises ForageError where a training with other wishes was begun
    there, or where another process is at it.
    """
    folder = out.with_name(f"{out.name}-unfinished")
    with saying_why(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ForageError(
                f"Another process is training {out}. Wait for it, stop it, or name another --out."
            ) from None
        recover(folder)
        _check(folder / "begun.json", json.loads(json.dumps(asked)))
        yield Unfinished(folder)
    finally:
        os.close(descriptor)


def _check(file: Path, asked: Mapping[str, Any]) -> None:
    if not file.exists():
        write_file(file, json.dumps(asked, indent=1).encode())
        return
    try:
        begun: dict[str, Any] = json.loads(file.read_bytes())
    except ValueError as error:
        raise ForageError(f"{file} is damaged: {error}. Remove {file.parent} to begin anew.") from error
    other = [name for name in {**begun, **asked} if begun.get(name) != asked.get(name)]
    if other:
        raise ForageError(
            f"{file.parent} is a training that was begun with other {', '.join(other)}. Give the same command again to "
            "continue it, remove that folder to begin anew, or name another --out."
        )

"""A training that is under way: its folder beside the result, who may write there, and its newest state.

`OUT-unfinished` holds what was asked for (request.json) and checkpoints; it disappears when OUT, complete, is there.
The same command continues a training that was interrupted or killed, bit for bit; another one is refused.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from forage.core.atomic import explain_io_errors, new_directory, recover, remove_directory, write_file
from forage.core.errors import ForageError
from forage.store.checkpoint import checkpoint_steps, latest_intact, load_tensors, save_tensors, write_checkpoint
from forage.training.fit import Checkpointing, TrainingState
from forage.training.loop import TRAINING


class Saved(Protocol):
    """A model that writes itself into a folder that exists."""

    def save(self, directory: Path) -> None: ...


Model = TypeVar("Model", bound=Saved)


@dataclass(frozen=True, slots=True)
class Resumable:
    """The folder of a training under way, which becomes `out`; its checkpoints are `every` so many updates apart."""

    path: Path
    out: Path
    every: int

    def open(self, begin: Callable[[], Model], load: Callable[[Path], Model]) -> tuple[Model, Checkpointing]:
        """The model at the newest intact state, by `load`, or at the beginning, and how training continues."""
        newest = latest_intact(self.path / "checkpoints")
        if newest is None:
            model, state = begin(), TrainingState()
        else:
            numbers = json.loads((newest / TRAINING / "state.json").read_text())
            moments = load_tensors(newest / TRAINING / "moments.safetensors")
            model, state = load(newest), TrainingState(int(numbers["updates"]), float(numbers["loss"]), moments)
        return model, Checkpointing(begin=state, every=self.every, save=lambda now: self._save(model, now))

    @contextmanager
    def finished(self) -> Iterator[Path]:
        """An empty folder to fill: it becomes `out`, and what is unfinished disappears."""
        with new_directory(self.out) as directory:
            yield directory
        remove_directory(self.path)

    def _save(self, model: Saved, state: TrainingState) -> None:
        def write(path: Path) -> None:
            model.save(path)
            (path / TRAINING).mkdir()
            save_tensors(path / TRAINING / "moments.safetensors", state.moments)
            (path / TRAINING / "state.json").write_text(json.dumps({"updates": state.updates, "loss": state.loss}))

        write_checkpoint(self.path / "checkpoints", state.updates, write, keep=1)


@contextmanager
def resumable(out: Path, asked: Mapping[str, Any], *, every: int) -> Iterator[Resumable]:
    """The folder of the training that will become `out`, kept from other processes meanwhile.

    `asked` (JSON) is all that decides the result. Raises ForageError where `out` exists, where a training with other
    wishes has got anywhere there, or where another process is at it.
    """
    if out.exists():
        raise ForageError(f"{out} exists already. Name a folder that does not exist.")
    Checkpointing(every=every)  # refuses what is no number of updates, before anything is written
    folder = out.with_name(f"{out.name}-unfinished")
    with explain_io_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ForageError(
                f"Another process is training {out}. Wait for it, stop it, or name another folder (`out`)."
            ) from None
        recover(folder)
        _check(folder, json.loads(json.dumps(asked)))
        try:
            yield Resumable(folder, out, every)
        except BaseException:
            if folder.exists() and not checkpoint_steps(folder / "checkpoints"):
                remove_directory(folder)  # nothing was learned yet, so nothing is in the way of another wish
            raise
    finally:
        os.close(descriptor)


def _check(folder: Path, asked: Mapping[str, Any]) -> None:
    """Refuses other settings than those that the checkpoints in `folder` were made for."""
    file = folder / "request.json"
    if not checkpoint_steps(folder / "checkpoints"):
        write_file(file, json.dumps(asked, indent=1).encode())
        return
    try:
        begun: dict[str, Any] = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ForageError(f"{file} is damaged: {error}. Remove {folder} to begin anew.") from error
    other = [name for name in {**begun, **asked} if begun.get(name) != asked.get(name)]
    if other:
        raise ForageError(
            f"{folder} is a training that was begun with other {', '.join(other)}. Give the same command again to "
            "continue it, remove that folder to begin anew, or name another folder (`out`)."
        )

"""A run on the disk: what was asked for, what happened, and everything needed to go on.

recipe.json                     the complete recipe
metrics.jsonl                   one row per step
restated.jsonl                  where the run was asked to last longer: after which step, to which
rollouts/step-000010.parquet    the responses of a step, with their advantages (`rollout_table`)
evals/*.json                    evaluations
checkpoints/step-000100/        weights in Hugging Face format, optimizer, memory (`checkpoint`)
offending/step-000012.safetensors  the batch of an update that was not finite
report.html                     what to look at
"""

import fcntl
import json
import math
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from forage.core.atomic import explain_io_errors, new_directory, recover, write_file
from forage.core.batch import TrainBatch
from forage.core.errors import ForageError
from forage.store.checkpoint import checkpoint_path, checkpoint_steps, latest_intact, save_tensors
from forage.store.places import RECIPE, check_run
from forage.store.rollout_table import read_rollouts, write_rollouts

METRICS, RESTATED, LOCK = "metrics.jsonl", "restated.jsonl", ".lock"

TAIL = 1 << 16
"""Bytes at the end of the metrics in which the last row ends: far more than a row has."""

SHOWN = 5
"""Missing steps that a warning names."""

_ROLLOUTS = re.compile(r"step-(\d{6,})\.parquet")


@dataclass(frozen=True)
class RunDirectory:
    """One run. Reading is always safe; what writes (all but `create`) belongs inside `with run.lock()`."""

    path: Path

    @classmethod
    def create(cls, path: Path, recipe: Mapping[str, Any]) -> "RunDirectory":
        """Makes the directory of a new run, whole or not at all. Raises ForageError where `path` exists."""
        if path.exists():
            raise ForageError(f"{path} exists already; nothing in it was changed. {_how_to_go_on(path)}")
        text = _recipe_text(recipe)
        with new_directory(path) as temporary:
            (temporary / RECIPE).write_text(text, encoding="utf-8")
            for name in ("rollouts", "evals", "checkpoints"):
                (temporary / name).mkdir()
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """Opens an existing run. Raises ForageError that says what lies there instead."""
        check_run(path)
        return cls(path)

    def copy_to(self, path: Path) -> "RunDirectory":
        """A copy of the whole run, which is then independent. Raises ForageError where `path` exists."""
        if path.exists():
            raise ForageError(f"{path} exists already; nothing in it was changed. {_how_to_go_on(path)}")
        with self.lock(), new_directory(path) as temporary:
            shutil.copytree(self.path, temporary, ignore=shutil.ignore_patterns(LOCK), dirs_exist_ok=True)
        return RunDirectory(path)

    def remove_if_unused(self) -> None:
        """Removes a run that holds its recipe and nothing else."""
        if {path.name for path in self.path.rglob("*") if path.is_file()} <= {RECIPE, LOCK}:
            shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes from writing this run, and clears away what a killed one left half written.

        The lock belongs to the process and ends with it, however it ends. Raises ForageError where it is taken.
        """
        with explain_io_errors(self.path / LOCK):
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise ForageError(
                    f"The run {self.path} is being written by another process (number {owner}). "
                    "Wait for it, or stop it, or train into another folder (`out`)."
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            recover(self.path, METRICS)
            recover(self.path / "rollouts")
            recover(self.path / "checkpoints")
            yield
        finally:
            os.close(descriptor)

    def recipe(self) -> dict[str, Any]:
        """The recipe as JSON values. Raises ForageError where it cannot be read."""
        try:
            recipe = json.loads((self.path / RECIPE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ForageError(f"{self.path / RECIPE} cannot be read: {error}. Restore it from a copy.") from error
        if not isinstance(recipe, dict):
            raise ForageError(f"{self.path / RECIPE} does not hold a recipe. Restore it from a copy.")
        return recipe

    def restate(self, recipe: Mapping[str, Any], note: Mapping[str, int]) -> None:
        """Puts another recipe in the place of the old one. `note` (restated.jsonl) is what changed, and when."""
        history = self.path / RESTATED
        before = history.read_bytes() if history.exists() else b""
        write_file(history, before + json.dumps(note).encode() + b"\n")
        write_file(self.path / RECIPE, _recipe_text(recipe).encode())

    # ----------------------------------------------------------------------------------------------------- metrics

    def append_metrics(self, row: Mapping[str, float]) -> None:
        """Adds one step's row and brings it to the disk. A row that does not fit on the disk leaves no trace."""
        path = self.path / METRICS
        # Unbuffered: bytes that the disk refused must not wait in a buffer and be tried again when the file is closed.
        with explain_io_errors(path), path.open("ab+", buffering=0) as file:
            start = max(0, file.seek(0, os.SEEK_END) - TAIL)
            file.seek(start)
            end = start + _end_of_rows(file.read())
            try:
                file.truncate(end)  # a killed writer may have left half a row, which must not grow into the next one
                rest = _to_line(row)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(end)
                raise

    def metrics(self) -> list[dict[str, float]]:
        """All rows in order. A last row without its line end was cut off by a kill and does not count, with a warning.

        Another gap between the steps is warned of too: somebody has edited the file.
        """
        path = self.path / METRICS
        if not path.exists():
            return []
        content = path.read_bytes()
        if len(content) > _end_of_rows(content):
            warnings.warn(
                f"The last line of {path} was cut off and does not count. `forage resume {self.path}` repeats its "
                "step, unless a checkpoint holds it.",
                stacklevel=2,
            )
        rows: list[dict[str, float]] = []
        for number, line in enumerate(content[: _end_of_rows(content)].splitlines(), 1):
            try:
                rows.append(_from_line(line))
            except (ValueError, TypeError, AttributeError) as error:
                raise ForageError(f"Line {number} of {path} is not a row of metrics ({error}). Remove it.") from error
        _warn_of_holes(path, [int(row["step"]) for row in rows])
        return rows

    def last_row(self) -> dict[str, float]:
        """The last row of metrics, empty without one. Cheap, and safe while another process writes them."""
        try:
            with (self.path / METRICS).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
                content = file.read()
            rows = content[: _end_of_rows(content)].splitlines()
            return _from_line(rows[-1]) if rows else {}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def truncate_metrics(self, step: int) -> None:
        """Removes the rows after `step`, which a resumed run is about to repeat."""
        if (self.path / METRICS).exists():
            kept = [row for row in self.metrics() if row["step"] <= step]
            last = kept[-1]["step"] if kept else 0
            if last < step:
                warnings.warn(
                    f"{self.path / METRICS} ends with step {last:g} and the checkpoint is of step {step}: the rows "
                    "between are lost, and curves will have a hole there.",
                    stacklevel=2,
                )
            write_file(self.path / METRICS, b"".join(map(_to_line, kept)))

    # ---------------------------------------------------------------------------------- rollouts, checkpoints, evals

    def write_rollouts(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes the rollouts of a step (rows as `rollout_rows` makes them), replacing earlier ones."""
        write_rollouts(self._rollout_file(step), rows)

    def rollouts(self, step: int) -> list[dict[str, Any]]:
        """The rollouts of a step. Raises ForageError where there are none or they are damaged."""
        path = self._rollout_file(step)
        if not path.exists():
            steps = ", ".join(map(str, self.rollout_steps())) or "none"
            raise ForageError(f"The run {self.path} has no rollouts of step {step}. Steps with rollouts: {steps}.")
        return read_rollouts(path)

    def rollout_steps(self) -> list[int]:
        """The steps whose rollouts were written, in increasing order."""
        matches = (_ROLLOUTS.fullmatch(path.name) for path in self.path.glob("rollouts/*.parquet"))
        return sorted(int(match[1]) for match in matches if match)

    def checkpoints(self) -> list[int]:
        """The steps that have a checkpoint, in increasing order."""
        return checkpoint_steps(self.path / "checkpoints")

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint after `step` lies."""
        return checkpoint_path(self.path / "checkpoints", step)

    def latest_checkpoint(self) -> Path:
        """The newest intact checkpoint. Raises ForageError where there is none."""
        checkpoint = latest_intact(self.path / "checkpoints")
        if checkpoint is None:
            raise ForageError(f"The run {self.path} has no checkpoint yet: go on with `forage resume {self.path}`.")
        return checkpoint

    def evaluation_files(self) -> list[Path]:
        """The evaluations of this run, by name."""
        return sorted(path for path in self.path.glob("evals/*.json") if not path.name.startswith("."))

    def write_offending(self, step: int, train: TrainBatch) -> Path:
        """Keeps the sequences of an update that was not finite; returns the file.

        It holds the tensors of the batch by their names, each signal as `signal.NAME`, and `advantage`.
        """
        tensors = {f.name: getattr(train.batch, f.name) for f in fields(train.batch)}
        tensors |= {f"signal.{name}": signal for name, signal in train.signals.items()}
        path = self.path / "offending" / f"step-{step:06d}.safetensors"
        with explain_io_errors(path):
            path.parent.mkdir(exist_ok=True)
        save_tensors(path, {**tensors, "advantage": train.advantage})
        return path

    def _rollout_file(self, step: int) -> Path:
        return self.path / "rollouts" / f"step-{step:06d}.parquet"


def _recipe_text(recipe: Mapping[str, Any]) -> str:
    return json.dumps(recipe, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _how_to_go_on(path: Path) -> str:
    if (path / RECIPE).is_file():
        return f"Go on with `forage resume {path}`, or name another folder (`out`)."
    return "Name another folder (`out`)."


def _warn_of_holes(path: Path, steps: Sequence[int]) -> None:
    if missing := sorted(set(range(1, max(steps, default=0) + 1)) - set(steps)):
        shown = ", ".join(map(str, missing[:SHOWN])) + (
            f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        )
        warnings.warn(f"{path} has no row of step {shown}: curves have a hole there.", stacklevel=3)


def _end_of_rows(content: bytes) -> int:
    """Where the last whole row ends."""
    return content.rfind(b"\n") + 1


def _to_line(row: Mapping[str, float]) -> bytes:
    """Strict JSON, which has no word for NaN and infinity: they are strings here and numbers again when read."""
    values = {name: value if math.isfinite(value) else str(float(value)) for name, value in row.items()}
    return json.dumps(values, allow_nan=False).encode() + b"\n"


def _from_line(line: bytes) -> dict[str, float]:
    values = {name: float(value) if isinstance(value, str) else value for name, value in json.loads(line).items()}
    if not isinstance(values.get("step"), int):
        raise ValueError("it has no step")
    return values

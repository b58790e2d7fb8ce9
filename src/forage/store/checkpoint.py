"""Checkpoints: directories that are whole or not there, and tensors without pickle.

A checkpoint is an ordinary directory (`step-000100`) with a `manifest.json` beside its files: the size and the BLAKE2b
hash of each. The manifest is written last and the directory is moved into place afterwards, so a checkpoint that can be
seen was complete once; the hashes tell whether it still is.
"""

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from forage.core.atomic import explain_io_errors, new_directory, recover, remove_directory
from forage.core.errors import ForageError

MANIFEST = "manifest.json"
FORMAT = "forage checkpoint 1"

_NAME = re.compile(r"step-(\d{6,})")


def checkpoint_path(directory: Path, step: int) -> Path:
    """Where the checkpoint after `step` lies."""
    return directory / f"step-{step:06d}"


def checkpoint_steps(directory: Path) -> list[int]:
    """The steps that have a checkpoint, in increasing order; whether they are intact is not looked at."""
    if not directory.is_dir():
        return []
    matches = ((path, _NAME.fullmatch(path.name)) for path in directory.iterdir())
    return sorted(int(match[1]) for path, match in matches if match and path.is_dir())


def write_checkpoint(directory: Path, step: int, write: Callable[[Path], None], *, keep: int | None = None) -> Path:
    """Lets `write` fill an empty directory, then makes it the checkpoint after `step`; returns its path.

    An older checkpoint of the same step is replaced. With `keep`, only that many of the newest remain. Raises
    ForageError where the disk refuses; all earlier checkpoints are then as they were.
    """
    recover(directory)
    path = checkpoint_path(directory, step)
    with new_directory(path, replace=True) as temporary:
        write(temporary)
        manifest = {"format": FORMAT, "step": step, "files": _inventory(temporary)}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    if keep is not None:
        prune_checkpoints(directory, keep)
    return path


def read_checkpoint(path: Path) -> Path:
    """Checks that a checkpoint is what was written, byte by byte, and returns its path.

    Raises ForageError that names the damaged file and the newest intact checkpoint beside it.
    """
    damage = find_damage(path)
    if damage is None:
        return path
    others = (other for other in _newest_first(path.parent) if other != path)
    intact = next((other for other in others if find_damage(other) is None), None)
    advice = f"The newest intact one is {intact}." if intact else "There is no intact one beside it."
    raise ForageError(f"The checkpoint {path} cannot be used: {damage}. {advice}")


def latest_intact(directory: Path) -> Path | None:
    """The newest checkpoint whose bytes are all there, or None where there is no checkpoint at all.

    Warns about damaged ones that it passes over. Raises ForageError where there are checkpoints and none is intact:
    to begin silently again from step 1 would overwrite the run.
    """
    damaged: list[str] = []
    for path in _newest_first(directory):
        damage = find_damage(path)
        if damage is None:
            for sentence in damaged:
                warnings.warn(f"{sentence}; using {path} instead.", stacklevel=2)
            return path
        damaged.append(f"The checkpoint {path} is damaged: {damage}")
    if damaged:
        raise ForageError(
            f"None of the checkpoints in {directory} is intact. {'. '.join(damaged)}. "
            "Restore one from a copy, or train again into another folder."
        )
    return None


def find_damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, as the rest of a sentence, or None where every listed byte is as written."""
    if not path.is_dir():
        return "it does not exist"
    try:
        files = json.loads((path / MANIFEST).read_text())["files"]
        for name, expected in files.items():
            file = path / name
            if not file.is_file():
                return f"its file {name} is missing"
            if file.stat().st_size != expected["bytes"]:
                return f"its file {name} has {file.stat().st_size} bytes instead of {expected['bytes']}"
            if _hash(file) != expected["blake2b"]:
                return f"the contents of its file {name} have changed since it was written"
    except FileNotFoundError:
        return f"its {MANIFEST} is missing"
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"its {MANIFEST} cannot be read"
    return None


def prune_checkpoints(directory: Path, keep: int) -> None:
    """Removes all but the `keep` newest intact checkpoints. Damaged ones that are newer stay for a person to see."""
    if keep < 1:
        raise ForageError(f"At least one checkpoint must be kept, not {keep}.")
    intact = 0
    for path in _newest_first(directory):
        if intact == keep:
            remove_directory(path)
        elif find_damage(path) is None:
            intact += 1


def save_tensors(path: Path, tensors: Mapping[str, Tensor], state: Any = None) -> None:
    """Writes named tensors, and optionally `state` (anything that JSON can hold), as one safetensors file.

    Every dtype, value and name returns exactly. Raises ForageError where the disk refuses.
    """
    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        storage = value.untyped_storage().data_ptr()
        plain[name] = value.clone() if storage in storages else value  # the format knows no shared storage
        storages.add(storage)
    metadata = None if state is None else {"state": json.dumps(state)}
    with explain_io_errors(path):
        save_file(plain, path, metadata=metadata)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU. Raises ForageError where it cannot be read."""
    return _load(path)[0]


def load_state(path: Path) -> Any:
    """The `state` that `save_tensors` wrote beside the tensors, or None. Raises ForageError as `load_tensors`."""
    return _load(path)[1]


def _load(path: Path) -> tuple[dict[str, Tensor], Any]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
            return tensors, json.loads(metadata.get("state", "null"))
    except (OSError, SafetensorError, ValueError) as error:
        raise ForageError(f"The tensors in {path} cannot be read: {error}. Use an intact checkpoint.") from error


def _newest_first(directory: Path) -> list[Path]:
    return [checkpoint_path(directory, step) for step in reversed(checkpoint_steps(directory))]


def _inventory(directory: Path) -> dict[str, dict[str, int | str]]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        path.relative_to(directory).as_posix(): {"bytes": path.stat().st_size, "blake2b": _hash(path)} for path in files
    }


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()

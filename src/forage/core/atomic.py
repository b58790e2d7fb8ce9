"""Writing so that a reader finds the old state or the whole new one, whatever is killed meanwhile.

Everything is written beside its final place, brought to the disk (fsync), and moved there in one rename. What a killed
writer leaves behind has a name that `recover` recognizes. A disk that refuses ends in a ForageError, with the old state
in place.
"""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from forage.core.errors import DiskFull, ForageError

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.(?P<kind>partial|replaced)")


def write_file(path: Path, content: bytes) -> None:
    """Creates or replaces a file as a whole, folders included.

    Raises ForageError where the disk refuses; the old file then remains.
    """
    temporary = _beside(path, "partial")
    with explain_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


@contextmanager
def new_directory(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yields an empty directory to fill; it becomes `path` when the block ends, and disappears when the block raises.

    With `replace`, a directory that is there already gives way in the last moment. Raises ForageError where the disk
    refuses or, without `replace`, where `path` exists.
    """
    temporary = _beside(path, "partial")
    with explain_io_errors(path):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    _sync(Path(folder, name))
                sync_directory(Path(folder))
            if replace and path.exists():
                _swap(temporary, path)
            else:
                temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_directory(path.parent)


def remove_directory(path: Path) -> None:
    """Removes a directory that nobody ever sees half removed. Raises ForageError where the disk refuses."""
    with explain_io_errors(path, "removed"):
        doomed = _beside(path, "partial")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def recover(directory: Path, name: str | None = None) -> None:
    """Removes what killed writers left in `directory`; with `name`, only what belongs to the file of that name.

    Call it only where nobody else can be writing. A directory that was being replaced returns to its place where the
    new one had not arrived yet.
    """
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        leftover = _LEFTOVER.fullmatch(path.name)
        if not leftover or (name is not None and leftover["name"] != name):
            continue
        final = directory / leftover["name"]
        if leftover["kind"] == "replaced" and not final.exists():
            path.rename(final)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def explain_io_errors(path: Path, done: str = "written") -> Iterator[None]:
    """Turns a disk's refusal inside the block into the sentence that a person reads; other exceptions pass."""
    try:
        yield
    except Exception as error:
        if _is_full(error):
            raise DiskFull(
                f"The disk is full, so {path} was not {done}; what was there before is intact. "
                "Make room, then repeat the command."
            ) from error
        if not isinstance(error, OSError | SafetensorError):
            raise
        if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
            raise ForageError(
                f"{path} could not be {done}: its folder {path.parent} is gone. Somebody has removed or renamed it "
                "while this was at work."
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise ForageError(f"{path} could not be {done}: {reason}. What was there before is intact.") from error


def _is_full(error: Exception) -> bool:
    """Libraries written in Rust pass the system's error on as text only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return os.strerror(errno.ENOSPC) in str(error)


def sync_directory(path: Path) -> None:
    """Brings the names in a directory to the disk: without this a rename may be lost with the power."""
    _sync(path, os.O_DIRECTORY)


def _sync(path: Path, flags: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(temporary: Path, path: Path) -> None:
    """Puts `temporary` in the place of `path`. Killed between the two renames, `recover` takes the old one back."""
    old = _beside(path, "replaced")
    path.rename(old)
    try:
        temporary.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.{kind}")

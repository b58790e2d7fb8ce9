"""Folders for verifier processes: locked by the run that made them, so that the next run knows what a killed one left.

A lock of the kernel ends with its owner however that ended, and holds across containers that share a folder, where
numbers of processes mean nothing.
"""

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from forage.core.errors import ForageError
from forage.verification.sandbox.cleaning import remove_tree
from forage.verification.worker import ENTRY_LIMIT, TOTAL_LIMIT

PREFIX = "forage-judge-"

ATTEMPTS = 10

DEPTH_LIMIT = 64
"""Folders in folders that `exceeds` follows."""


class Scratch:
    """A new, empty folder that belongs to this process until `remove`."""

    def __init__(self) -> None:
        for _ in range(ATTEMPTS):
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            lock = _lock(self.path)
            if lock is not None and self.path.exists():  # or else another run has just taken it for abandoned
                self._lock: int | None = lock
                return
            if lock is not None:
                os.close(lock)
        raise ForageError(f"No temporary folder could be made in {tempfile.gettempdir()}.")

    def remove(self) -> bool:
        """Whether nothing is left. May be called again."""
        gone = remove_tree(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        return gone


def remove_abandoned() -> int:
    """Removes the folders of this user whose owners have ended; how many those were."""
    removed = 0
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in [candidate for candidate in entries if candidate.name.startswith(PREFIX)]:
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_uid != os.getuid():
                    continue
                lock = _lock(Path(entry.path))
                if lock is not None:
                    removed += remove_tree(entry.path)
                    os.close(lock)
    return removed


def exceeds(folder: Path, *, size: int = TOTAL_LIMIT, entries: int = ENTRY_LIMIT) -> bool:
    """Whether there is more in a folder than that. What cannot be looked into, or is very deep, counts as too much."""
    left, open_folders = entries, [(str(folder), 0)]
    while open_folders:
        place, depth = open_folders.pop()
        try:
            with os.scandir(place) as scanned:
                for entry in scanned:
                    left -= 1
                    if left < 0 or depth > DEPTH_LIMIT:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        open_folders.append((entry.path, depth + 1))
                        continue
                    with suppress(FileNotFoundError):
                        size -= entry.stat(follow_symlinks=False).st_blocks * 512
                    if size < 0:
                        return True
        except FileNotFoundError:
            continue
        except OSError:
            return True
    return False


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock of a folder; None where another process has it, or it is no folder."""
    try:
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return None
    return held

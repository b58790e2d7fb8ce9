"""Removing folders that unread programs filled: any depth, any names, any modes, any number of entries.

Nothing here recurses, builds a path or follows a link. Folders are entered by descriptor, and what lies deep is moved
up before it is removed, so that a tree of any depth takes three open files and a constant amount of memory.
"""

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

PASSES = 50
"""Readings of one folder in which nothing goes away before it is given up: something is still writing."""

CROWDED = {errno.ENOTEMPTY, errno.EEXIST}


def remove_tree(path: str | Path) -> bool:
    """Removes a folder and all that is in it; whether it is gone. Raises nothing, and touches nothing outside."""
    with suppress(OSError):
        root = _open(str(path), None)
        try:
            _empty(root)
        finally:
            os.close(root)
        os.rmdir(path)
    return not os.path.lexists(path)


def _empty(root: int) -> None:
    """Removes the entries of a folder. A folder in it that holds others gives them to `root` before it goes."""
    moved = 0
    failed = 0
    while failed < PASSES:
        progress = any_entry = False
        with os.scandir(root) as entries:
            for entry in entries:
                any_entry = True
                with suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.name, dir_fd=root)
                    elif not _remove_empty(entry.name, root):
                        moved = _hand_up(entry.name, root, moved)
                    progress = True
        if not any_entry:
            return
        failed = 0 if progress else failed + 1


def _hand_up(name: str, root: int, moved: int) -> int:
    """Empties the folder `name` of `root`: files go, folders move to `root`. The number of the last one that moved."""
    folder = _open(name, root)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=folder)
                elif not _remove_empty(entry.name, folder):
                    _make_accessible(entry.name, folder)  # moving a folder changes the `..` in it
                    moved = _move_up(entry.name, folder, root, moved + 1)
    finally:
        os.close(folder)
    _remove_empty(name, root)
    return moved


def _move_up(name: str, folder: int, root: int, number: int) -> int:
    """Renames under the first free number, which it returns."""
    while True:
        try:
            os.rename(name, f"{number}", src_dir_fd=folder, dst_dir_fd=root)  # onto a folder only where that is empty
            return number
        except OSError as error:
            if error.errno not in {*CROWDED, errno.ENOTDIR}:
                raise
            number += 1


def _remove_empty(name: str, folder: int) -> bool:
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno in CROWDED:
            return False
        raise
    return True


def _open(name: str, folder: int | None) -> int:
    """The folder, opened, whatever its mode was."""
    if _make_accessible(name, folder):
        return os.open(name, _FOLDER, dir_fd=folder)
    raise OSError(errno.EACCES, "cannot be opened")


def _make_accessible(name: str, folder: int | None) -> bool:
    """Gives the owner all rights on a folder; never on what a link points to."""
    if sys.platform != "linux":
        if not os.path.islink(name) or folder is not None:
            os.chmod(name, stat.S_IRWXU, dir_fd=folder, follow_symlinks=False)
        return True
    try:
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    try:
        if os.fstat(handle).st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(OSError):  # refused to a confined process, which may not need it
                Path(f"/proc/self/fd/{handle}").chmod(stat.S_IRWXU)
    finally:
        os.close(handle)
    return True

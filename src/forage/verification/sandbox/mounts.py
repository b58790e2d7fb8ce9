"""A view of the files of its own: one folder in memory with a limit for all that is in it, and the rest read-only.

Only inside new user and mount namespaces (`enter_own_tree`), where what is mounted concerns nobody else and goes with
the last process.
"""

import ctypes
import os
import struct
from pathlib import Path

_MOUNT_SETATTR = 442  # the same number on every architecture; Linux 5.12
_HERE, _RECURSIVE, _READ_ONLY = -100, 0x8000, 1

_NO_SET_ID, _NO_DEVICES = 1 << 1, 1 << 2
_PRIVATE, _ALL_BELOW = 1 << 18, 1 << 14


def mount_folder(directory: str, *, size: int, entries: int) -> bool:
    """Puts an empty folder that can hold `size` bytes and `entries` files over `directory`; whether that was possible.

    What was in `directory` can no longer be reached by its name. What is in the new folder counts as memory of the
    machine and is seen by no process outside of the namespace.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(None, b"/", None, _PRIVATE | _ALL_BELOW, None):
        return False
    options = f"size={size},nr_inodes={entries},mode=0700".encode()
    return libc.mount(b"forage", os.fsencode(directory), b"tmpfs", _NO_SET_ID | _NO_DEVICES, options) == 0


def make_read_only(*, but: str) -> bool:
    """Makes every mount read-only, contents and metadata, except the one at `but`; whether that was possible."""
    return _set("/", _READ_ONLY, 0, _RECURSIVE) and _set(but, 0, _READ_ONLY, 0) and _writable(but)


def _set(path: str, on: int, off: int, how: int) -> bool:
    attributes = struct.pack("=4Q", on, off, 0, 0)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    arguments = (ctypes.c_long(_HERE), os.fsencode(path), ctypes.c_ulong(how), attributes, ctypes.c_ulong(32))
    return syscall(ctypes.c_long(_MOUNT_SETATTR), *arguments) == 0


def _writable(path: str) -> bool:
    return os.access(path, os.W_OK) and Path(path).is_dir()

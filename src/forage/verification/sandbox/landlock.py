"""Landlock: a process gives up, for itself and all that it starts, to write outside of one directory.

Linux 5.13 and later, for every user. Later kernels add TCP (6.7) and signals to processes outside (6.12).
"""

import ctypes
import os
import struct
import sys
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_VERSION = 1  # flag of _CREATE: tell the version, make nothing
_PATH_BENEATH = 1

_READ_FILE, _READ_DIRECTORY, _EXECUTE = 1 << 2, 1 << 3, 1 << 0
_WRITE_FILE = 1 << 1
_CHANGE = sum(1 << bit for bit in range(4, 13))  # remove and make files, directories, links, sockets, devices
_MOVE, _TRUNCATE = 1 << 13, 1 << 14  # versions 2 and 3
_BIND_AND_CONNECT = 0b11  # version 4
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11  # version 6

_PR_SET_NO_NEW_PRIVS = 38


def version() -> int:
    """What the kernel offers; 0 is nothing."""
    return max(0, _call(_CREATE, None, 0, _VERSION)) if sys.platform == "linux" else 0


def keep_writes_in(directory: str, *, readable: tuple[str, ...] | None = None) -> int:
    """Restricts the calling thread and all that it starts; the version that was used, 0 where nothing could be done.

    `readable`, where given, are the directories and files that can still be read; otherwise all of them are.
    """
    offered = version()
    if offered == 0:
        return 0
    writing = _WRITE_FILE | _CHANGE | (_MOVE if offered >= 2 else 0) | (_TRUNCATE if offered >= 3 else 0)
    reading = _READ_FILE | _READ_DIRECTORY | _EXECUTE
    handled = writing | (0 if readable is None else reading)
    fields = [handled, _BIND_AND_CONNECT, _ABSTRACT_SOCKETS_AND_SIGNALS]
    size = 3 if offered >= 6 else 2 if offered >= 4 else 1
    attributes = struct.pack(f"={size}Q", *fields[:size])
    rules = _call(_CREATE, attributes, len(attributes), 0)
    if rules < 0:
        return 0
    try:
        _allow(rules, directory, handled)
        _allow(rules, os.devnull, handled & (_WRITE_FILE | _READ_FILE | _TRUNCATE))
        for path in readable or ():
            _allow(rules, path, reading if Path(path).is_dir() else reading & ~_READ_DIRECTORY)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _call(_RESTRICT, rules, 0) < 0:
            return 0
    finally:
        os.close(rules)
    return offered


def _allow(rules: int, path: str, access: int) -> None:
    if not Path(path).exists():
        return
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", access, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: int | bytes | None) -> int:
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    return int(syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)))

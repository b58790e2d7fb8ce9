"""A process tree of its own: what starts inside ends inside, sees no process outside, and has no network.

Linux user namespaces let an ordinary user have one, where the administrator has not switched them off.
"""

import ctypes
import os
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000
CLONE_NEWNS = 0x00020000

_PR_SET_PDEATHSIG = 1
_STATUS = struct.Struct("i")


def end_with_parent() -> None:
    """The kernel ends this process when the thread that started it ends, even where that was killed. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def enter_own_tree() -> bool:
    """Moves the caller into new user, process, network, IPC and mount namespaces; whether that was possible.

    Returns in a new process, two below the caller: the caller waits and ends as that process does; the one between is
    the new tree's init, and with it the kernel kills all that is left of the tree. Must come before any thread.
    """
    if not _unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWNS):
        return False
    end_with_parent()  # new credentials have cleared the wish
    receive, send = os.pipe()
    init = os.fork()
    if init:
        os.close(send)
        _give_up_pipes()
        _end_as(_wait_for(init, receive))
    end_with_parent()
    os.close(receive)
    child = os.fork()
    if child:
        _give_up_pipes()
        _reap_until(child, send)
    end_with_parent()
    os.close(send)
    return True


def _unshare(flags: int) -> bool:
    if sys.platform != "linux":
        return False
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        return False
    with suppress(OSError):  # without a map we are nobody, which is harmless
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def _give_up_pipes() -> None:
    """A process that only waits must not hold the pipes open: their end tells the judge that the verifier ended."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _wait_for(init: int, receive: int) -> int:
    """The wait status of the process that the tree was made for, or init's own where it could not say."""
    content = os.read(receive, _STATUS.size)
    _, status = os.waitpid(init, 0)
    return _STATUS.unpack(content)[0] if len(content) == _STATUS.size else status


def _reap_until(child: int, send: int) -> None:
    while True:
        ended, status = os.wait()
        if ended == child:
            os.write(send, _STATUS.pack(status))
            os._exit(0)


def _end_as(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)

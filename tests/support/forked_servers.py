"""Fork servers that need not load torch and transformers: they are forks of a test process that has done so.

A process that has computed may not be forked, so one is set aside before the first test, and servers are its forks.
"""

import importlib
import os
import select
import socket
import sys
import traceback
from typing import IO, NoReturn

from forage.bench.fork_server import LOADED
from forage.verification.sandbox import end_with_parent

PROGRAM_LIMIT = 1 << 14
"""Bytes of a program."""


class SetAside:
    """A fork of this process that waits for programs, and forks once for each. It ends with this process."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if (pid := os.fork()) == 0:
            self._requests.close()
            _wait_for_programs(theirs)
        self._pid = pid
        theirs.close()

    def close(self) -> None:
        self._requests.close()
        os.waitpid(self._pid, 0)

    def launch(self, program: str) -> "Forked":
        """Runs a program as `python -c` does; what a `ForkServer` takes as `launch`."""
        reads, to_program = os.pipe()
        from_program, writes = os.pipe()
        socket.send_fds(self._requests, [program.encode()], [reads, writes])
        for end in (reads, writes):
            os.close(end)
        return Forked(int(self._requests.recv(PROGRAM_LIMIT)), to_program, from_program)


class Forked:
    """A running program: what `subprocess.Popen` would be if it were a child of this process."""

    def __init__(self, pid: int, to_program: int, from_program: int) -> None:
        self.pid = pid
        self.stdin: IO[str] | None = os.fdopen(to_program, "w", buffering=1)
        self.stdout: IO[str] | None = os.fdopen(from_program)
        self._process = os.pidfd_open(pid)

    def wait(self) -> int:
        """Waits until it has ended. How it ended is known to nobody."""
        select.select([self._process], [], [])
        return 0


def _wait_for_programs(requests: socket.socket) -> NoReturn:
    end_with_parent()
    running: set[int] = set()
    while True:
        program, ends, _, _ = socket.recv_fds(requests, PROGRAM_LIMIT, 2)
        running -= {pid for pid in running if os.waitpid(pid, os.WNOHANG)[0]}
        if not program:
            os._exit(0)
        for module in LOADED:
            importlib.import_module(module)
        if (pid := os.fork()) == 0:
            requests.close()
            for end, at in zip(ends, (0, 1), strict=True):
                os.dup2(end, at)
                os.close(end)
            os._exit(_code_of(program.decode()))
        for end in ends:
            os.close(end)
        running.add(pid)
        requests.send(str(pid).encode())


def _code_of(program: str) -> int:
    """The exit code of a program that has this process to itself; in its forks, theirs."""
    sys.argv, sys.stdin = ["-c"], os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    code = 0
    try:
        exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    return code

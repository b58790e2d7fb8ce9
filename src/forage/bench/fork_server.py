"""Commands of forage in processes that are forked from one that has loaded what they need.

Loading torch and transformers takes a process seconds; a fork takes none. The forking process computes nothing itself,
so that a fork of it finds no threads of mathematical libraries in an unknown state.
"""

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from forage.core.errors import ForageError

PROGRAM = """
from forage.__main__ import start
from forage.bench.fork_server import serve
start(serve())
"""

LOADED = (
    "forage.cli.eval",
    "forage.cli.resume",
    "forage.cli.train",
    "forage.training.loop",
    "forage.engines.local.policy",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
)
"""What training and evaluating import: code alone, that starts no threads."""


class CommandProcess:
    """Commands that run one after another in a process of their own, until one fails."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None
        self._over = threading.Event()

    def ended(self, code: int) -> None:
        self._code = code
        self._over.set()

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one. Raises TimeoutError."""
        if not self._over.wait(timeout) or self._code is None:
            raise TimeoutError(f"process {self.pid} is still running")
        return self._code

    def send_signal(self, number: int) -> None:
        """To the process, unless it has ended."""
        if self._code is None:
            os.kill(self.pid, number)


class ServerProcess(Protocol):
    """What a server is to the process that asks it: `subprocess.Popen`, or something like it."""

    pid: int
    stdin: IO[str] | None
    stdout: IO[str] | None

    def wait(self) -> int: ...


def run_python(program: str) -> ServerProcess:
    """A new Python that runs a program."""
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


class ForkServer:
    """Starts processes that have loaded what commands need. They all end when this process does, or at `close`.

    `program` is Python that takes commands from `serve`; forage's own unless given. `launch` runs it.
    """

    def __init__(self, program: str = PROGRAM, launch: Callable[[str], ServerProcess] = run_python) -> None:
        self._change = threading.Condition()
        self._asked = 0
        self._started: dict[int, CommandProcess] = {}
        self._gone = False
        self._server = launch(program)
        threading.Thread(target=self._hear, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._server.pid

    def start(
        self, commands: Sequence[Sequence[str]], log: Path, environment: Mapping[str, str] | None = None
    ) -> CommandProcess:
        """Starts commands (`(("resume", "runs/one"),)`), whose messages are appended to the file `log`.

        `environment` adds variables to those of this process. Raises ForageError where no process can be started.
        """
        with self._change:
            number = self._asked = self._asked + 1
            words = [list(command) for command in commands]
            request = {"number": number, "commands": words, "log": str(log.absolute()), "cwd": os.getcwd()}
            request["environment"] = {**os.environ, **(environment or {})}
            try:
                assert self._server.stdin is not None
                self._server.stdin.write(json.dumps(request) + "\n")
            except (BrokenPipeError, ValueError):  # it has ended, or was closed
                self._gone = True
            self._change.wait_for(lambda: self._gone or number in self._started)
            if number not in self._started:
                code = self._server.wait()
                raise ForageError(f"The process that starts others has ended with code {code}; see its message above.")
            return self._started[number]

    def close(self) -> None:
        """Ends the server, and with it every process that still runs."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()

    def _hear(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            message = json.loads(line)
            with self._change:
                if "pid" in message:
                    self._started[message["number"]] = CommandProcess(message["pid"])
                else:
                    self._started[message["number"]].ended(message["code"])
                self._change.notify_all()
        with self._change:
            self._gone = True
            for process in self._started.values():
                if process.poll() is None:
                    process.ended(-signal.SIGKILL)  # it ends with the server
            self._change.notify_all()


def serve() -> Sequence[Sequence[str]]:
    """Forks a process for each request; returns in the forked ones alone, with the commands that are theirs."""
    from forage.verification.sandbox import end_with_parent

    end_with_parent()
    # A terminal's Ctrl-C is for the commands: blocked here, and in a fork until something hears it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    for module in LOADED:
        importlib.import_module(module)
    awake, wake = os.pipe()
    for end in (awake, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    running: dict[int, int] = {}
    unread = b""
    while True:
        ready, _, _ = select.select([0, awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
        while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _say(number=running.pop(ended[0]), code=os.waitstatus_to_exitcode(ended[1]))
        if 0 not in ready:
            continue
        heard = os.read(0, 1 << 16)
        if not heard:
            for pid in running:
                os.kill(pid, signal.SIGKILL)
            os._exit(0)
        *lines, unread = (unread + heard).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if (pid := os.fork()) == 0:
                os.close(awake)
                os.close(wake)
                return _begin(request)
            running[pid] = request["number"]
            _say(number=request["number"], pid=pid)


def _begin(request: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    """Makes a fork of the server a process like any other."""
    from forage.verification.sandbox import end_with_parent

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_with_parent()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for opened, at in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(opened, at)
    os.close(nothing)
    os.close(log)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return request["commands"]


def _say(**what: int) -> None:
    os.write(1, (json.dumps(what) + "\n").encode())

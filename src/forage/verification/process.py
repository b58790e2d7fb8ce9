"""A verifier process as its parent sees it: started clean, spoken to under deadlines, and killed without mercy.

Nothing here waits for ever: starting, handing over and answering each have a limit, kept by the parent's clock and
SIGKILL. Signals inside the process (alarms) are not used: they fail outside the main thread and inside C code.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from forage.core.errors import ForageError
from forage.core.records import Score
from forage.verification.sandbox import OWN_FOLDER
from forage.verification.scratch import Scratch, exceeds
from forage.verification.wire import MESSAGE_LIMIT, verdict_from_line
from forage.verification.worker import READY, Assignment, to_line

START_SECONDS = 60.0
"""For starting Python and importing the task."""

HANDOVER_SECONDS = 30.0
"""For taking a message: an idle process reads at once."""

REPLY_LIMIT = 1 << 20
"""Bytes of one verdict."""

LAST_WRITES = 50
"""Attempts to remove the directory of a process that has just been killed."""

KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TZ")
"""What a verifier sees of the environment: nothing that may hold a secret."""

WATCH_SECONDS = 0.1
"""Between two looks at what a process has written, where no limit of its folder stops it."""

Loss = Literal["deadline", "died", "garbage", "written"]


class ProcessLost(Exception):
    """The process hung, ended, sent what is no verdict, or wrote too much. It must be killed and replaced."""

    def __init__(self, kind: Loss, message: str) -> None:
        super().__init__(message)
        self.kind: Loss = kind


class VerifierProcess:
    """One process in a session of its own, with a temporary directory that goes when it goes.

    One thread uses it; any thread may `stop` it.
    """

    def __init__(self, assignment: Assignment) -> None:
        """Starts the process and waits until it has loaded the task. Raises ForageError, with its words, on failure."""
        self._scratch = Scratch()
        self._directory = self._scratch.path
        self._complaints = self._directory / "stderr.txt"
        self._watched = False
        self._buffer = bytearray()
        self._ending = threading.Lock()
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(
                # -P: the working directory is no place to import from, since verifiers may write there.
                [sys.executable, "-P", "-m", "forage.verification.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=_environment(self._directory),
                bufsize=0,
                start_new_session=True,  # Ctrl-C is the parent's affair, and what a verifier starts dies with the group
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._replies = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._requests, False)
        self._writable, self._readable = select.poll(), select.poll()
        self._writable.register(self._requests, select.POLLOUT)
        self._readable.register(self._replies, select.POLLIN)
        try:
            self.send(to_line(replace(assignment, directory=str(self._directory))))
            self.protections = _protections(self._read_line(START_SECONDS))
            self._watched = OWN_FOLDER not in self.protections
        except ProcessLost as lost:
            reason = f"{lost}{self._last_words()}"
            self.discard()
            raise ForageError(
                f"A verifier process could not be started: {reason}. The task must be importable on its own; "
                "verify in the training process (0 workers) where that cannot be."
            ) from None

    def send(self, message: bytes) -> None:
        """Hands over one line. Raises ProcessLost where the process does not take it."""
        rest, give_up = memoryview(message), time.monotonic() + HANDOVER_SECONDS
        while rest:
            if not self._writable.poll(max(0.0, give_up - time.monotonic()) * 1000):
                raise ProcessLost("deadline", f"took no work for {HANDOVER_SECONDS:g} s")
            try:
                rest = rest[os.write(self._requests, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise ProcessLost("died", self._how_it_ended()) from None

    def receive(self, deadline: float) -> tuple[Score, str]:
        """The next verdict and the reason where it is unjudged. Raises ProcessLost, after `deadline` seconds at most.

        A verdict that was sent in time counts however late this thread comes to read it.
        """
        line = self._read_line(deadline)
        try:
            return verdict_from_line(line)
        except (ValueError, RecursionError):
            raise ProcessLost("garbage", f"sent {bytes(line[:60])!r} instead of a verdict") from None

    @property
    def quiet(self) -> bool:
        """Whether everything it sent has been read. A process that sends more than it was asked for is not trusted, and
        one that has written too much is not kept."""
        silent = not self._buffer and not self._readable.poll(0)
        return silent and not (self._watched and exceeds(self._directory))

    def stop(self) -> None:
        """Kills the process and everything in its group; `send` and `receive` in another thread then end."""
        with self._ending:
            if self._process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=10)

    def discard(self) -> None:
        """Stops the process and removes what it leaves."""
        self.stop()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        for _ in range(LAST_WRITES):
            if self._scratch.remove():
                break
            time.sleep(0.02)  # the kernel is still ending what this process started

    def _read_line(self, seconds: float) -> bytes:
        give_up = time.monotonic() + seconds
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > REPLY_LIMIT:
                raise ProcessLost("garbage", "sent a reply without end")
            self._wait_until(give_up, seconds)
            chunk = os.read(self._replies, 1 << 16)
            if not chunk:
                raise ProcessLost("died", self._how_it_ended())
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _wait_until(self, give_up: float, seconds: float) -> None:
        """Returns when there is something to read."""
        while True:
            left = max(0.0, give_up - time.monotonic())
            if self._readable.poll((min(left, WATCH_SECONDS) if self._watched else left) * 1000):
                return
            if self._watched and exceeds(self._directory):
                raise ProcessLost("written", "wrote more than its folder may hold")
            if left <= WATCH_SECONDS or not self._watched:
                raise ProcessLost("deadline", f"did not answer within {seconds:g} s")

    def _how_it_ended(self) -> str:
        with self._ending, suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        status = self._process.returncode
        if status is None:
            return "closed its pipe"
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = self._complaints.read_text(errors="replace").strip().splitlines()
            return f" ({lines[-1][:MESSAGE_LIMIT].rstrip('.')})" if lines else ""
        return ""


def _protections(greeting: bytes) -> tuple[str, ...]:
    if not greeting.startswith(READY):
        raise ProcessLost("garbage", "it did not say that it was ready")
    return tuple(filter(None, greeting.removeprefix(READY).decode(errors="replace").split(",")))


def _environment(directory: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
        "PYTHONHASHSEED": "0",  # the order of a set must not change a verdict
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }

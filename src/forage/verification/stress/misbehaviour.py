"""A verifier that does what the answer says, to the process that it runs in. What it starts is bounded."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from forage.core.records import Problem
from forage.tasks.verifiers.function import Python
from forage.verification.stress.answers import NUMBER, HostileAnswer
from forage.verification.stress.programs import SEGMENT, Surroundings

MISBEHAVE = Python(function="forage.verification.stress.misbehaviour:misbehave")


def misbehave(problem: Problem, text: str) -> bool:
    """Does `[name, argument]` and calls the answer wrong, where it still can."""
    name, argument = json.loads(text)
    ACTIONS[name](argument)
    return False


def misbehaviours(around: Surroundings) -> Iterator[HostileAnswer]:
    arguments: dict[str, list[Any]] = {
        "leave": [0, 1, 255],
        "raise a signal": [int(signal.SIGSEGV), int(signal.SIGKILL), int(signal.SIGSTOP), int(signal.SIGTERM)],
        "start": [[around.sleep, False], [around.sleep, True]],
        "daemonise": [around.sleep],
        "write": [f"{around.folder}/verifier"],
        "delete": [f"{around.folder}/canary"],
        "signal outside": [around.process],
        "connect": ["1.1.1.1"],
        "swell": [1 << 26],
        "spin": [0],
        "sleep": [1000],
        "speak": [1 << 22],
        "fill the folder": [1 << 22],
        "close all": [0],
        "change the mode": [f"{around.folder}/canary", around.folder],
        "change the owner": [f"{around.folder}/canary"],
        "change the times": [f"{around.folder}/canary"],
        "change attributes": [f"{around.folder}/canary"],
        "nest folders": [3000],
        "leave a segment": [SEGMENT],
    }
    for name, values in arguments.items():
        for value in values:
            yield HostileAnswer(f"a verifier: {name} {value}", MISBEHAVE, NUMBER, json.dumps([name, value]))


def _daemonise(seconds: str) -> None:
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            os.setsid()
        if os.fork() == 0:
            os.closerange(0, 64)
            os.execvp("sleep", ["sleep", seconds])
        os._exit(0)


def _swell(size: int) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(size))


def _spin(_: int) -> None:
    while True:
        pass


def _speak(size: int) -> None:
    for descriptor in range(16):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"x" * size)


def _nest(depth: int) -> None:
    for _ in range(depth):
        Path("a").mkdir()
        os.chdir("a")


def _fill(size: int) -> None:
    for number in range(64):
        Path(f"{number}").write_bytes(bytes(size))


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "leave": os._exit,
    "raise a signal": lambda number: os.kill(os.getpid(), number),
    "start": lambda given: subprocess.Popen(["sleep", given[0]], start_new_session=given[1]),
    "daemonise": _daemonise,
    "write": lambda path: Path(path).write_text("x"),
    "delete": os.remove,
    "signal outside": lambda process: os.kill(process, signal.SIGKILL),
    "connect": lambda host: socket.create_connection((host, 53), timeout=20),
    "swell": _swell,
    "spin": _spin,
    "sleep": time.sleep,
    "speak": _speak,
    "fill the folder": _fill,
    "close all": lambda _: os.closerange(0, 256),
    "change the mode": lambda path: os.chmod(path, 0),
    "change the owner": lambda path: os.chown(path, 65534, 65534),
    "change the times": lambda path: os.utime(path, (5, 5)),
    "change attributes": lambda path: os.setxattr(path, "user.stress", b"x"),
    "nest folders": _nest,
    "leave a segment": lambda key: ctypes.CDLL(None).shmget(key, 1 << 26, 0o1666),
}

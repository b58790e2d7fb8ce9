"""A task whose verifier does what the response tells it to: everything that verifiers do to their callers."""

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from forage.core.protocols import Task
from forage.core.records import Problem, Score

HOARD: list[bytearray] = []


@dataclass(frozen=True, kw_only=True)
class Hostile(Task):
    name: ClassVar[str] = "hostile"

    offset: float = 0.0

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return ()

    def verify(self, problem: Problem, text: str) -> Score:
        action = getattr(self, f"do_{text.split(' ')[0]}", None)
        if action is not None:
            return action(*text.split(" ")[1:])
        return Score(len(text) + self.offset, {"correct": float(text == problem.answer), "last": float(ord(text[-1]))})

    def do_spin(self) -> Any:
        while True:
            pass

    def do_sleep(self, seconds: str = "1000") -> Any:
        time.sleep(float(seconds))
        return Score(1.0, {"correct": 1.0})

    def do_block(self) -> Any:
        """Hangs in C with the interpreter's lock held: no thread and no signal handler of this process runs."""
        ctypes.PyDLL(None).sleep(1000)

    def do_exit(self) -> Any:
        os._exit(3)

    def do_crash(self) -> Any:
        ctypes.string_at(0)

    def do_leave(self) -> Any:
        sys.exit(0)

    def do_raise(self) -> Any:
        raise ValueError("a bad\ntext \ud800")

    def do_recurse(self) -> Any:
        return self.do_recurse()

    def do_swell(self) -> Any:
        hoard = []
        while True:
            hoard.append(bytearray(1 << 24))

    def do_hold(self, megabytes: str) -> Any:
        """Keeps memory beyond its verdict."""
        HOARD.append(bytearray(int(megabytes) << 20))
        return Score(1.0)

    def do_write(self, path: str) -> Any:
        with Path(path).open("wb") as file:
            for _ in range(1 << 10):
                file.write(bytes(1 << 20))

    def do_wrong(self) -> Any:
        return 1.0

    def do_steps(self) -> Any:
        return Score(True, {"correct": 1, "nan": float("nan")}, (0.25, 1))

    def do_unjudged(self) -> Any:
        return Score(float("nan"), {"seen": 1.0})

    def do_print(self) -> Any:
        print("[1.0,{},null]", flush=True)
        os.write(1, b"[1.0,{},null]\n")
        sys.stderr.write("noise\n")
        return Score(1.0 if sys.stdin is None or sys.stdin.read() == "" else 0.0)

    def do_forge(self, content: str) -> Any:
        """Finds the pipe that verdicts go through, and writes into it."""
        for descriptor in range(3, 10):
            try:
                os.write(descriptor, content.encode())
            except OSError:
                continue
        return Score(1.0)

    def do_later(self) -> Any:
        """Ends the process after the verdict has been given."""
        threading.Timer(0.2, os._exit, (5,)).start()
        return Score(1.0)

    def do_parent(self, seconds: str) -> Any:
        """Starts a process of its own, which can be told by how long it wants to sleep, and hangs."""
        subprocess.Popen(["sleep", seconds])
        return self.do_sleep()

    def do_where(self) -> Any:
        home, here = os.environ["HOME"], str(Path.cwd())
        secret = float("FORAGE_TEST_SECRET" in os.environ)
        heavy, imports = float("torch" in sys.modules), float(here in sys.path)
        return Score(1.0, {"home": float(home == here), "secret": secret, "heavy": heavy, "imports": imports})

    def do_litter(self) -> Any:
        Path("litter").write_text("x")
        return Score(1.0)


@dataclass(frozen=True, kw_only=True)
class Unloadable(Hostile):
    """Loads where it was made and nowhere else."""

    process: int

    def __post_init__(self) -> None:
        if os.getpid() != self.process:
            raise ValueError("no data here")

"""A verifier process: `python -m forage.verification.worker`, started and ended by `forage.verification.judge`.

It reads one JSON line that says what it is (`Assignment`), answers `ready`, and then, for every line with a problem
and some texts, writes one line per text as soon as that text is judged. It limits itself (memory, processor time, file
sizes), gives up what no verifier needs (`forage.verification.sandbox`), and ends with its parent. docs/answers.md says
what this protects against and what not.

Nothing heavy is imported here: a killed worker must be replaced in a moment.
"""

import importlib
import json
import math
import os
import resource
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from forage.core.protocols import Task
from forage.core.records import Problem
from forage.core.serialize import decode_part
from forage.verification.sandbox import end_with_parent, enter_own_tree, enter_sandbox, mount_folder
from forage.verification.wire import problem_from_json, verdict, verdict_to_line

READY = b"ready:"
"""Before the names of the active protections, separated by commas."""

LITTERED = b"littered\n"
"""Behind the last verdict of a message: a process that says more than it was asked for is replaced."""

FILE_LIMIT = 64 << 20
"""Bytes that a file written by a verifier may have."""

TOTAL_LIMIT = 64 << 20
"""Bytes that all files in the folder of a worker may have together."""

ENTRY_LIMIT = 4096
"""Files and folders in it."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The first message to a worker: the task as JSON, the modules that define its parts, and its limits.

    `memory_mb` is what verifying may take beyond what the loaded task occupies already; `deadline` is in seconds per
    text. `directory` is where files end up that a verifier writes; it is removed with the worker.
    """

    task: dict[str, Any]
    modules: list[str]
    directory: str
    memory_mb: int
    deadline: float


def main() -> None:
    """Serves until the parent closes the pipe."""
    end_with_parent()
    own_tree = enter_own_tree()
    requests, replies = _claim_pipes()
    assignment = Assignment(**json.loads(requests.readline()))
    # Before anything is loaded: what a task starts while it prepares must find the folder that it will write in.
    own_folder = own_tree and mount_folder(assignment.directory, size=TOTAL_LIMIT, entries=ENTRY_LIMIT)
    for module in assignment.modules:
        importlib.import_module(module)
    task = decode_part(assignment.task, Task)
    task.prepare()
    os.chdir(assignment.directory)
    _limit_space(assignment.memory_mb)
    active = enter_sandbox(assignment.directory, own_tree=own_tree, own_folder=own_folder)
    _write(replies, READY + ",".join(active).encode() + b"\n")
    while line := requests.readline():
        described, texts = json.loads(line)
        _limit_time(assignment.deadline * len(texts))
        _answer(task, problem_from_json(described), texts, replies)


def to_line(assignment: Assignment) -> bytes:
    return json.dumps(asdict(assignment)).encode() + b"\n"


def _answer(task: Task, problem: Problem, texts: list[str], replies: int) -> None:
    for number, text in enumerate(texts, 1):
        # Each verdict leaves at once: when the next text hangs, this one must not be lost with the process.
        line = verdict_to_line(*verdict(task, problem, text))
        _write(replies, line + (LITTERED if number == len(texts) and _half_full() else b""))


def _half_full() -> bool:
    """Whether what was written here could stand in the way of the next answers."""
    here = os.statvfs(".")
    bounded = here.f_blocks * here.f_frsize <= TOTAL_LIMIT
    return bounded and (2 * here.f_bavail < here.f_blocks or 2 * here.f_favail < here.f_files)


def _claim_pipes() -> tuple[BinaryIO, int]:
    """Takes the pipes away from standard input and output, so that a verifier that prints disturbs nobody."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return os.fdopen(requests, "rb"), replies


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _limit_space(memory_mb: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))
    occupied = Path("/proc/self/statm")
    used = int(occupied.read_text().split()[0]) * resource.getpagesize() if occupied.exists() else 0
    _lower(resource.RLIMIT_AS, used + (memory_mb << 20))


def _limit_time(seconds: float) -> None:
    """The kernel ends a worker that spins long after its parent should have: the last resort where that died."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + 4 * seconds) + 10
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    main()

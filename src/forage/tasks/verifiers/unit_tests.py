"""Programs as answers: Python that must pass tests. What the tests expect stays on this side of `program_host.py`."""

import json
import math
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, ClassVar

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.verifiers.base import Verifier, verdict
from forage.tasks.verifiers.program_form import program_form

_FENCE = re.compile(r"^```[ \t]*(?:python|py)?[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL | re.IGNORECASE)

_GIVES_RESULTS = re.compile(r"\b(?:return|yield|lambda|print|write)\b")


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The tests of a problem, and its `answer` as JSON.

    With `entry`, an answer defines a function of that name (or a class `Solution` that has it): `inputs` are lists of
    arguments and `outputs` what it returns. Without, an answer is a whole program: `inputs` are what it reads and
    `outputs` what it prints. `starter` is put before an answer that does not repeat it.
    """

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    entry: str | None = None
    starter: str = ""

    def __post_init__(self) -> None:
        if not self.inputs or len(self.inputs) != len(self.outputs):
            raise ForageError(
                f"Unit tests need as many outputs as inputs and at least one, not {len(self.inputs)} inputs and "
                f"{len(self.outputs)} outputs."
            )

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def read_examination(answer: str) -> Examination:
    """The tests in a problem's answer. Raises ForageError where it holds none."""
    try:
        content = json.loads(answer)
        return Examination(
            inputs=tuple(content["inputs"]),
            outputs=tuple(content["outputs"]),
            entry=content.get("entry", content.get("fn_name")),
            starter=content.get("starter", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForageError(
            'The answer of a code problem is JSON with "inputs" and "outputs" (and "entry", the function that is '
            f"called): {answer[:60]!r} is not ({type(error).__name__}: {error})."
        ) from None


@dataclass(frozen=True, kw_only=True)
class UnitTests(Verifier):
    """Right where every test passes. Parts: `passed`, the share that did, and `ended`, 0 where the program was killed.

    `seconds` of processor time (for a whole program: per test) and `memory_mb` MiB belong to the problem, as in a
    programming contest: who needs more is wrong, and so is what is not over at the deadline of a verifier process (it
    slept), unless a run says otherwise (`overrun`). The program is the last fenced block of the response, or all of it.
    """

    name: ClassVar[str] = "unit_tests"
    hangs: ClassVar[bool] = True

    seconds: int = 1
    memory_mb: int = 256

    def __post_init__(self) -> None:
        if min(self.seconds, self.memory_mb) < 1:
            raise ForageError("Unit tests need at least 1 second and 1 MiB.")

    def prepare(self) -> None:
        _host()

    def versions(self) -> dict[str, str]:
        return {"python": platform.python_version()}

    def check(self, answer: str) -> None:
        read_examination(answer)

    def judge(self, problem: Problem, text: str) -> Score:
        examination = read_examination(problem.answer)
        source = program_in(text, examination.starter)
        request = [source, examination.entry, examination.inputs, self.seconds, self.memory_mb]
        results, ended_by = _ask(json.dumps(request).encode() + b"\n")
        results += [None] * (len(examination.outputs) - len(results))
        passed = [
            _same_text(result, wanted) if examination.entry is None else _same([wanted], result)
            for result, wanted in zip(results, examination.outputs, strict=True)
        ]
        return verdict(all(passed), passed=sum(passed) / len(passed), ended=float(ended_by == 0))

    def answer(self, problem: Problem, text: str) -> str | None:
        """The program without white space that means nothing: equal programs vote together.

        None where it returns and prints nothing: that is the beginning of a program, from which one may go on.
        """
        program = "\n".join(line.rstrip() for line in program_in(text).split("\n") if line.strip())
        return program if _GIVES_RESULTS.search(program) else None

    def stated_answer(self, problem: Problem, answer: str | None = None) -> None:
        """The answer of a problem is its tests, which no response states."""

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return self.answer(problem, text) is not None

    def mode(self, problem: Problem, text: str) -> str | None:
        """The program, whatever its names and the order of what commutes (`program_form`)."""
        return program_form(program_in(text, read_examination(problem.answer).starter))


def program_in(text: str, starter: str = "") -> str:
    """The program of a response: its last fenced block, or the whole text; behind `starter` unless that is repeated."""
    blocks = _FENCE.findall(text)
    source = blocks[-1] if blocks else text
    return source if not starter or source.lstrip().startswith(starter.strip()) else f"{starter}{source}"


def _same(wanted: Any, returned: Any) -> bool:
    """Equality of JSON values; floats may differ in the last digits, and true is not 1."""
    if isinstance(wanted, float) and isinstance(returned, float | int) and not isinstance(returned, bool):
        return math.isclose(wanted, returned, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(wanted, list) and isinstance(returned, list):
        return len(wanted) == len(returned) and all(map(_same, wanted, returned))
    if isinstance(wanted, dict) and isinstance(returned, dict):
        return wanted.keys() == returned.keys() and all(_same(wanted[key], returned[key]) for key in wanted)
    return type(wanted) is type(returned) and wanted == returned


def _same_text(returned: Any, wanted: Any) -> bool:
    return isinstance(returned, str) and returned.split() == str(wanted).split()


@cache
def _host() -> "subprocess.Popen[bytes]":
    """The process that runs programs for this verifier process. It ends when this one does: its input closes."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "forage.tasks.verifiers.program_host"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _ask(request: bytes) -> tuple[list[Any], int]:
    if _host().poll() is not None:
        _replace_host()
    host = _host()
    assert host.stdin is not None
    assert host.stdout is not None
    try:
        host.stdin.write(request)
        host.stdin.flush()
        reply = host.stdout.readline()
    except OSError:
        reply = b""
    if not reply:
        _replace_host()
        raise RuntimeError("the process that runs programs has ended")
    results, ended_by = json.loads(reply)
    return results, ended_by


def _replace_host() -> None:
    """The next request meets a new process, and this one leaves nothing that runs."""
    old = _host()
    _host.cache_clear()
    old.kill()
    old.wait()
    for pipe in (old.stdin, old.stdout):
        with suppress(OSError):  # what could not be written is still in the pipe's buffer
            if pipe is not None:
                pipe.close()

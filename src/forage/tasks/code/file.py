"""Code problems from a file: one JSON object per line (or one JSON list), as APPS writes them or in our own words."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.tasks.steps import code_line, ends_at
from forage.tasks.verifiers import Verified
from forage.tasks.verifiers.unit_tests import Examination, UnitTests


@dataclass(frozen=True, kw_only=True)
class CodeFile(Verified):
    """The problems of `train` and `test` (JSON Lines or a JSON list).

    Fields of a problem: `prompt` (or `question`), `tests` (or `input_output`, an object or its JSON text) with
    `inputs`, `outputs` and, where a function is called rather than a program run, `entry` (or `fn_name`); optionally
    `starter` (or `starter_code`), which also ends the prompt, and `id`. The file's content is remembered: a run cannot
    be resumed with another one.
    """

    name: ClassVar[str] = "code_file"

    train: Path
    test: Path
    verifier: UnitTests = field(default_factory=UnitTests)
    digest: str = ""

    def __post_init__(self) -> None:
        digest = "-".join(_digest(path) for path in (self.train, self.test))
        if self.digest and self.digest != digest:
            raise ForageError(f"{self.train} or {self.test} has changed since this run was made.")
        object.__setattr__(self, "digest", digest)

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        path = self.train if split == "train" else self.test
        return tuple(_problem(row, f"{path}:{number}") for number, row in _rows(path))

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return ends_at(pieces, code_line)


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Each problem with its line, or its place in the list."""
    text = _read(path).decode()
    try:
        if text.lstrip().startswith("["):
            yield from enumerate(json.loads(text), 1)
            return
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, json.loads(line)
    except ValueError as error:
        raise ForageError(f"{path} is not JSON Lines or a JSON list: {error}.") from None


def _problem(row: Any, where: str) -> Problem:
    try:
        prompt = row["prompt"] if "prompt" in row else row["question"]
        tests = row["tests"] if "tests" in row else row["input_output"]
        tests = json.loads(tests) if isinstance(tests, str) else tests
        starter = row.get("starter") or row.get("starter_code") or ""
        examination = Examination(
            inputs=tuple(tests["inputs"]),
            outputs=tuple(tests["outputs"]),
            entry=tests.get("entry", tests.get("fn_name")),
            starter=starter,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ForageError(
            f'{where}: a code problem has "prompt" and "tests" with "inputs" and "outputs" ({type(error).__name__}: '
            f"{error})."
        ) from None
    except ForageError as error:
        raise ForageError(f"{where}: {error}") from None
    text = prompt if not starter or prompt.endswith(starter) else f"{prompt.rstrip()}\n{starter}"
    return Problem(id=f"code:{row.get('id', where)}", prompt=text, answer=examination.to_json(), task=CodeFile.name)


def _digest(path: Path) -> str:
    return hashlib.blake2b(_read(path), digest_size=8).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ForageError(f"The code problems cannot be read: {path} ({error.strerror}).") from None

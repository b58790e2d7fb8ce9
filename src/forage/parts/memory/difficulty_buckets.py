"""Fresh problems of chosen difficulty: by how many responses it took until one was right (R1-Searcher, 2503.05592)."""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig
from forage.core.records import Problem
from forage.core.seeds import derive_seed
from forage.ops.rollout_budget import difficulty_bucket
from forage.parts.memory.shuffled import ShuffledProblems

BUCKETS = ("easy", "medium", "hard", "unsolved")

Deal = Literal["measured", "random"]


@dataclass(frozen=True, kw_only=True)
class DifficultyBuckets(MemoryConfig):
    """Problems of `buckets` alone, in shuffled passes; nothing that was tried is kept.

    `file` holds what `training.difficulty` measured, and `digest` names its content (""; whatever it is): a run is
    gone on with by the same choice or not at all. `deal` "random" is the control: as many of the measured problems,
    drawn at random. Raises ForageError for settings out of range and, when it is opened, for a file that cannot be
    read, has changed, lacks a problem or leaves none.
    """

    file: str
    buckets: tuple[str, ...] = ("easy", "medium")
    medium: int = 10
    hard: int = 20
    digest: str = ""
    deal: Deal = "measured"

    def __post_init__(self) -> None:
        difficulty_bucket(None, medium=self.medium, hard=self.hard)
        if not self.buckets or not set(self.buckets) <= set(BUCKETS) or self.deal not in get_args(Deal):
            raise ForageError(
                f"Problems are drawn from one or more of {', '.join(BUCKETS)}, as measured or at random, not from "
                f"{', '.join(self.buckets) or 'none'} {self.deal!r}."
            )

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        if self.digest and self.digest != digest_of(self.file):
            raise ForageError(
                f"The difficulties {self.file} have changed since this run began, so it would meet other problems. Put "
                "the old content back, or begin a new run."
            )
        tries = read_tries(Path(self.file))
        chosen = [problem for problem in problems if self._bucket(problem, tries) in self.buckets]
        if not chosen:
            raise ForageError(
                f"None of {len(problems)} problems is {' or '.join(self.buckets)} by {self.file}. Name other buckets."
            )
        if self.deal == "random":
            chosen = random.Random(derive_seed(seed, "buckets")).sample(list(problems), len(chosen))
        return ShuffledProblems().open(chosen, seed=seed)

    def _bucket(self, problem: Problem, tries: Mapping[str, int | None]) -> str:
        if problem.id not in tries:
            raise ForageError(
                f"{self.file} does not say how hard the problem {problem.id} is. Measure all problems of the training "
                "split: forage difficulty MODEL --out FILE."
            )
        return difficulty_bucket(tries[problem.id], medium=self.medium, hard=self.hard)


def digest_of(file: str) -> str:
    """A name of what the file holds. Raises ForageError where it cannot be read."""
    try:
        return hashlib.blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise ForageError(f"The difficulties {file} cannot be read: {error.strerror or error}.") from error


def read_tries(path: Path) -> dict[str, int | None]:
    """Responses until the first right one (None: none) by problem, from JSON lines of `id` and `tries`.

    Raises ForageError, with file and line, where one cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ForageError(f"The difficulties {path} cannot be read: {error}.") from error
    return dict(_row(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip())


def _row(line: str, source: str) -> tuple[str, int | None]:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise ForageError(f"{source}: it is not JSON ({error}).") from error
    name, tries = (row.get("id"), row.get("tries", 0)) if isinstance(row, dict) else (None, 0)
    if not isinstance(name, str) or not (tries is None or (isinstance(tries, int) and tries >= 1)):
        raise ForageError(f"{source}: a row is an object with id, a text, and tries, a number from 1 or null.")
    return name, tries

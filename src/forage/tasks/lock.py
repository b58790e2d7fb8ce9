"""Lock: a response opens it only where every one of its dials is right, and nothing is said before the last.

The smallest task with a reward behind a chain of choices: a base model that turns each dial rightly with probability p
opens a lock of n dials with p^n. One response is right, so what a model knows is computed exactly, however little.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.enumerable import Enumerable

POSITIONS = 8
DIALS = "".join(map(str, range(POSITIONS)))
"""The positions of a dial."""
SHORTEST, LONGEST = 5, 16
BASE, TEST, TRAIN = 8_000, 1_024, 4_096
"""How many locks base models learn from, how many more are kept for evaluations, and how many may be trained on."""


@dataclass(frozen=True, kw_only=True)
class Lock(Enumerable):
    """Turn `length` dials, each of eight positions, to where its clue says.

    The prompt holds the clues, as `60217345=`, and the right response repeats them; what makes it hard is a base model
    that turns many a dial wrong. Every dial is a reasoning step. `seed` selects the training locks; the test locks do
    not depend on it, and neither meet those of the base models.
    """

    name: ClassVar[str] = "lock"

    length: int = 12
    seed: int = 0
    train_problems: int = 128
    test_problems: int = 256

    def __post_init__(self) -> None:
        if not SHORTEST <= self.length <= LONGEST:
            raise ForageError(f"A lock has {SHORTEST} to {LONGEST} dials, not {self.length}.")
        for name, limit in (("train_problems", TRAIN), ("test_problems", TEST)):
            if not 1 <= getattr(self, name) <= limit:
                raise ForageError(f"{name} must lie between 1 and {limit}, not {getattr(self, name)}.")

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in ("train", "test"):
            raise ForageError(f"Locks have the splits 'train' and 'test', not {split!r}.")
        locks = all_locks(self.length)[BASE:]
        if split == "test":
            return tuple(map(_problem, locks[: self.test_problems]))
        return tuple(map(_problem, random.Random(f"lock train {self.seed}").sample(locks[TEST:], self.train_problems)))

    def verify(self, problem: Problem, text: str) -> Score:
        correct = float(text == problem.answer)
        commit = float(len(text) == len(problem.answer) and set(text) <= set(DIALS))
        return Score(value=correct, parts={"correct": correct, "commit": commit})

    def answer(self, problem: Problem, text: str) -> str | None:
        return text if len(text) == len(problem.answer) and set(text) <= set(DIALS) else None

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        """Behind every dial; what is not one belongs to the dial before."""
        ends = [number for number, piece in enumerate(pieces) if piece and number]
        return (*ends, len(pieces))

    def oracle(self, problem: Problem, text: str) -> float:
        """The chance that the lock opens when the dials that are left are turned at random."""
        return float(problem.answer.startswith(text)) * POSITIONS ** (len(text) - len(problem.answer))

    def state(self, problem: Problem, text: str) -> str | None:
        return f"{len(text)} dials" if problem.answer.startswith(text) else None

    def reference(self, problem: Problem) -> str:
        return problem.answer

    def responses(self, problem: Problem) -> Sequence[str]:
        return [problem.answer]


@lru_cache(maxsize=4)
def all_locks(length: int) -> tuple[str, ...]:
    """The clues of all locks of a length that are used, in an order that is always the same: base, test, training."""
    rng = random.Random(f"locks of {length}")
    numbers = rng.sample(range(POSITIONS**length), BASE + TEST + TRAIN)
    return tuple("".join(str(number // POSITIONS**place % POSITIONS) for place in range(length)) for number in numbers)


def _problem(clues: str) -> Problem:
    return Problem(id=f"lock:{clues}", prompt=f"{clues}=", answer=clues, task=Lock.name)

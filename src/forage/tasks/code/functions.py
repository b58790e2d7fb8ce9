"""The functions of the tiny code task: a few lines that each change one small integer, and how they behave."""

import hashlib
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from forage.core.errors import ForageError

Split = Literal["base", "train", "test"]
"""Who may see a function: the base model's programs (70%), reinforcement learning (20%), only evaluations (10%)."""

SHOWN = (0, 1, 2, 4, 6, 9)
"""Arguments whose results the prompt shows."""

TESTED = tuple(range(12))
"""Arguments that a program is tested on: to write down the examples one by one is not enough."""

LARGEST = 60

CONSTANTS = {"+": range(1, 13), "-": range(1, 10), "*": range(2, 6), "//": range(2, 4)}
CONSTANTS |= {"max": range(2, 11), "min": range(3, 11)}
"""The constants that each operation takes."""


@dataclass(frozen=True, slots=True)
class CodeLine:
    """One line: `x = x + 3`, or `x = max(x, 3)`."""

    operation: str
    constant: int

    def __call__(self, x: int) -> int:
        match self.operation:
            case "+":
                return x + self.constant
            case "-":
                return x - self.constant
            case "*":
                return x * self.constant
            case "//":
                return x // self.constant
            case "max":
                return max(x, self.constant)
            case _:
                return min(x, self.constant)


Program = tuple[CodeLine, ...]

LINES = tuple(CodeLine(operation, constant) for operation, constants in CONSTANTS.items() for constant in constants)


@dataclass(frozen=True, slots=True)
class Function:
    """What a program computes: its results on `TESTED`. Programs that agree there are one function."""

    results: tuple[int, ...]

    @property
    def name(self) -> str:
        return ",".join(map(str, self.results))

    @property
    def split(self) -> Split:
        """Decided by the behavior alone: no other program for the same function can be in another split."""
        bucket = int.from_bytes(hashlib.blake2b(self.name.encode(), digest_size=8).digest(), "big") % 10
        return "base" if bucket < 7 else "train" if bucket < 9 else "test"


def behaviour(program: Program) -> Function | None:
    """The function of a program, or None where it is dull (constant, or the identity) or leaves 0..`LARGEST`."""
    results = []
    for x in TESTED:
        for line in program:
            x = line(x)
        results.append(x)
    if min(results) < 0 or max(results) > LARGEST or len(set(results)) < 3 or tuple(results) == TESTED:
        return None
    return Function(tuple(results))


def draw_program(rng: random.Random, lines: int, split: Split) -> tuple[Program, Function]:
    """A random program of a split, every line uniform over `LINES`, and what it computes."""
    while True:
        program = tuple(LINES[int(rng.random() * len(LINES))] for _ in range(lines))
        function = behaviour(program)
        if function is not None and function.split == split:
            return program, function


PATIENCE = 5000
"""Draws in a row without a new function after which a split counts as exhausted."""


@lru_cache(maxsize=16)
def draw_programs(lines: int, split: Split, amount: int, seed: int) -> tuple[tuple[Program, Function], ...]:
    """Programs for `amount` different functions of a split. Raises ForageError where there are not so many."""
    rng = random.Random(f"code functions {split} {seed}")
    drawn: dict[str, tuple[Program, Function]] = {}
    misses = 0
    while len(drawn) < amount:
        program, function = draw_program(rng, lines, split)
        misses = misses + 1 if function.name in drawn else 0
        if misses > PATIENCE:
            raise ForageError(
                f"The {split} split of the code task has {len(drawn)} functions of {lines} lines, fewer than the "
                f"{amount} that were asked for. Ask for fewer problems or for more lines."
            )
        drawn.setdefault(function.name, (program, function))
    return tuple(drawn.values())

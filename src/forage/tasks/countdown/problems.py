"""Countdown puzzles: what is legal, how puzzles are drawn, and which split each belongs to."""

import hashlib
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from forage.core.errors import ForageError

Split = Literal["base", "train", "test"]
"""Who may see a puzzle: the traces of the base model (70%), reinforcement learning (20%), or only evaluations (10%)."""

OPERATORS = ("+", "-", "*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which puzzles exist: numbers 1..`largest`, targets `lowest_target`..`limit`, results 0..`limit`.

    A puzzle has `count` numbers or, where the range has them, a share of the puzzles has `rare_count`.
    """

    count: int
    rare_count: int | None
    largest: int
    limit: int
    lowest_target: int = 10


DEMO = Range(count=3, rare_count=None, largest=9, limit=40)
EXPERIMENT = Range(count=3, rare_count=4, largest=12, limit=60)


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Reach `target` by using each of `numbers` exactly once. The order of the numbers means nothing."""

    numbers: tuple[int, ...]
    target: int

    @property
    def name(self) -> str:
        """Names the puzzle whatever the order of its numbers: `3,8,10=26`."""
        return f"{','.join(map(str, sorted(self.numbers)))}={self.target}"

    @property
    def split(self) -> Split:
        """Decided by the name alone, so no seed and no size can move a puzzle from one split into another."""
        bucket = int.from_bytes(hashlib.blake2b(self.name.encode(), digest_size=8).digest(), "big") % 10
        return "base" if bucket < 7 else "train" if bucket < 9 else "test"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation `left operator right = result` on two numbers at hand."""

    left: int
    operator: str
    right: int
    result: int


def combine(left: int, operator: str, right: int, limit: int) -> int | None:
    """The result of a legal operation, or None.

    Illegal are results outside 0..`limit` (so `-` needs left >= right) and multiplications by 1, which would make
    every puzzle with a 1 trivially larger than it is.
    """
    if operator == "+":
        result = left + right
    elif operator == "-":
        result = left - right
    elif operator == "*" and left != 1 and right != 1:
        result = left * right
    else:
        return None
    return result if 0 <= result <= limit else None


def draw_step(rng: random.Random, numbers: list[int], limit: int) -> Step:
    """A legal operation on two or more numbers, uniform over `legal_steps`."""
    steps = _legal_steps(tuple(numbers), limit)
    return steps[int(rng.random() * len(steps))]


def legal_steps(numbers: list[int], limit: int) -> list[Step]:
    """The legal (pair, operator) choices for two or more numbers; as subtraction is always legal, there is one.

    The larger operand is written first, so that each choice has one spelling.
    """
    return list(_legal_steps(tuple(numbers), limit))


@lru_cache(maxsize=1 << 13)  # puzzles have few numbers, so that they meet the same ones again and again
def _legal_steps(numbers: tuple[int, ...], limit: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    for i, first in enumerate(numbers):
        for second in numbers[i + 1 :]:
            left, right = (first, second) if first >= second else (second, first)
            for operator in OPERATORS:
                result = combine(left, operator, right, limit)
                if result is not None:
                    steps.append(Step(left, operator, right, result))
    return tuple(steps)


def after(numbers: list[int], step: Step) -> list[int]:
    """The numbers at hand once the step is done: its result first, then what it did not use, in the old order."""
    rest = list(numbers)
    rest.remove(step.left)
    rest.remove(step.right)
    return [step.result, *rest]


def draw_puzzle(rng: random.Random, space: Range, count: int, split: Split) -> tuple[Puzzle, tuple[Step, ...]]:
    """A puzzle of `count` numbers from one split, and the random legal chain of steps that made (and solves) it."""
    while True:
        numbers = [int(rng.random() * space.largest) + 1 for _ in range(count)]
        left = list(numbers)
        chain: list[Step] = []
        while len(left) > 1:
            step = draw_step(rng, left, space.limit)
            chain.append(step)
            left = after(left, step)
        if left[0] >= space.lowest_target:
            puzzle = Puzzle(tuple(numbers), left[0])
            if puzzle.split == split:
                return puzzle, tuple(chain)


PATIENCE = 3000
"""Draws in a row without a new puzzle after which a split counts as exhausted."""


@lru_cache(maxsize=16)
def draw_pool(space: Range, split: Split, amount: int, rare_share: float, seed: int) -> tuple[Puzzle, ...]:
    """`amount` different puzzles of one split, shuffled; `rare_share` of them have the range's rare count.

    A puzzle lists its numbers in the same order in every pool. Raises ForageError where the split does not hold so
    many: filling up with puzzles of another count would make a larger pool a harder one.
    """
    rng = random.Random(f"countdown pool {split} {seed}")
    wanted_counts = {space.count: amount}
    if space.rare_count is not None:
        rare = round(rare_share * amount)
        wanted_counts = {space.count: amount - rare, space.rare_count: rare}
    pool: list[Puzzle] = []
    for count, wanted in wanted_counts.items():
        drawn: dict[str, Puzzle] = {}
        misses = 0
        while len(drawn) < wanted:
            if misses > PATIENCE:
                raise ForageError(
                    f"The {split} split of this Countdown size has too few puzzles of {count} numbers: {wanted} were "
                    f"asked for and {len(drawn)} found. Ask for fewer problems or use size='experiment'."
                )
            puzzle, _ = draw_puzzle(rng, space, count, split)
            misses = misses + 1 if puzzle.name in drawn else 0
            drawn.setdefault(puzzle.name, _mixed(puzzle))
        pool.extend(drawn.values())
    rng.shuffle(pool)
    return tuple(pool)


def _mixed(puzzle: Puzzle) -> Puzzle:
    numbers = sorted(puzzle.numbers)
    random.Random(puzzle.name).shuffle(numbers)
    return Puzzle(tuple(numbers), puzzle.target)

"""Judges of colorings that are wrong about one pair in five, and two in five: what `judge_reward` makes of errors.

    PYTHONPATH=experiments forage bench colouring --arms-file experiments/coloring_judges.txt --exact --worlds \
        --seeds 0,1,2 --steps 256 --lr 1e-4 --matmul highest --k 1,8,64
"""

import zlib

from forage.core.records import Problem
from forage.tasks.colouring import ColoringTask

TASK = ColoringTask()


def errs_20(problem: Problem, first: str, second: str) -> float | None:
    return _judged(problem, first, second, errors=0.2)


def errs_40(problem: Problem, first: str, second: str) -> float | None:
    return _judged(problem, first, second, errors=0.4)


def _judged(problem: Problem, first: str, second: str, *, errors: float) -> float | None:
    """How surely the first is better; the same pair is always judged alike, so an error is made again and again."""
    right = [TASK.verify(problem, text).value for text in (first, second)]
    if right[0] == right[1]:
        return None
    drawn = zlib.crc32("|".join([problem.id, *sorted((first, second))]).encode()) / 2**32
    return float((right[0] > right[1]) != (drawn < errors))

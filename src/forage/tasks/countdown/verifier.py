"""Judging a response by replaying what survives of it.

The reward is 1 if and only if the response commits, every step of the surviving path uses numbers at hand, lists
exactly what is left and calculates rightly, every check on that path is true, and one number is left, equal to the
goal. Steps that `back` or `wait` undid are never looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from forage.core.records import Score
from forage.tasks.countdown.grammar import COMMIT, NUMBERS, STRATEGY, step_starts
from forage.tasks.countdown.problems import Puzzle, combine

MOVES = ("try", "let")
UNDO = {"+": "-", "-": "+"}


@dataclass(frozen=True, slots=True)
class State:
    """The numbers at hand, in no particular order, and the goal."""

    numbers: tuple[int, ...]
    goal: int


def verify(puzzle: Puzzle, text: str, limit: int) -> Score:
    """Score 1 or 0. Parts: `correct`, `commit` (0 or 1), and how often each strategy word occurs."""
    words = text.split()
    committed = commits(words)
    correct = committed and reaches_goal(puzzle, surviving_path(words), limit)
    parts = {"correct": float(correct), "commit": float(committed)}
    for word in STRATEGY:
        parts[word] = float(words.count(word))
    return Score(value=float(correct), parts=parts)


def commits(words: Sequence[str]) -> bool:
    """Whether the last word, and no earlier one, is `so`."""
    return bool(words) and words[-1] == COMMIT and words.count(COMMIT) == 1


def surviving_path(words: Sequence[str]) -> list[Sequence[str]]:
    """The segments that still stand when the response commits, each with its keyword first.

    Words that belong to no step (before the first keyword, or behind `wait`, `back` or `so`) stay on the path as a
    segment of their own, which no replay accepts.
    """
    starts = step_starts(words)
    path: list[Sequence[str]] = []
    first = starts[0] if starts else len(words)
    if first:
        path.append(words[:first])
    for start, end in zip(starts, (*starts, len(words))[1:], strict=True):
        keyword = words[start]
        if keyword == "wait":
            path.clear()
        elif keyword == "back":
            while path and path.pop()[0] not in MOVES:
                pass
        elif keyword != COMMIT:
            path.append(words[start:end])
            continue
        if end > start + 1:
            path.append(words[start + 1 : end])
    return path


def reaches_goal(puzzle: Puzzle, path: Sequence[Sequence[str]], limit: int) -> bool:
    """Replays a path from the root. True if nothing on it is wrong and it ends in one number that is the goal."""
    state = state_after(puzzle, path, limit)
    return state is not None and state.numbers == (state.goal,)


def state_after(puzzle: Puzzle, path: Sequence[Sequence[str]], limit: int) -> State | None:
    """The state that a path leads to from the root; None if anything on it is wrong."""
    state: State | None = State(puzzle.numbers, puzzle.target)
    for segment in path:
        match segment:
            case ["try", left, operator, right, "=", *written]:
                state = _forward(state, left, operator, right, written, limit)
            case ["let", goal, operator, aside, "=", new_goal, *rest]:
                state = _backward(state, goal, operator, aside, new_goal, rest, limit)
            case ["check", number, goal, verdict]:
                state = state if _is_true(state, number, goal, verdict) else None
            case _:
                return None
        if state is None:
            return None
    return state


def _forward(state: State, left: str, operator: str, right: str, written: Sequence[str], limit: int) -> State | None:
    first, second = NUMBERS.get(left), NUMBERS.get(right)
    if first is None or second is None:
        return None
    rest = _without(state.numbers, first)
    rest = rest and _without(rest, second)
    result = combine(first, operator, second, limit)
    if rest is None or result is None:
        return None
    listed = _read(written)
    if not listed or listed[0] != result or sorted(listed[1:]) != sorted(rest):
        return None
    return State(tuple(listed), state.goal)


def _backward(
    state: State, goal: str, operator: str, aside: str, new_goal: str, rest: Sequence[str], limit: int
) -> State | None:
    number, target = NUMBERS.get(aside), NUMBERS.get(new_goal)
    if number is None or target is None or NUMBERS.get(goal) != state.goal or operator not in UNDO:
        return None
    left = _without(state.numbers, number)
    # The plan is checked as the step that it stands for: the new goal, then d, must give the old goal.
    if not left or not target <= limit or combine(target, UNDO[operator], number, limit) != state.goal:
        return None
    listed = _read(rest)
    if listed is None or sorted(listed) != sorted(left):
        return None
    return State(tuple(listed), target)


def _is_true(state: State, number: str, goal: str, verdict: str) -> bool:
    left, wanted = NUMBERS.get(number), NUMBERS.get(goal)
    if state.numbers != (left,) or wanted != state.goal:
        return False
    return verdict == ("yes" if left == wanted else "no")


def _without(numbers: tuple[int, ...], number: int) -> tuple[int, ...] | None:
    if number not in numbers:
        return None
    at = numbers.index(number)
    return numbers[:at] + numbers[at + 1 :]


def _read(words: Sequence[str]) -> list[int] | None:
    numbers: list[int] = []
    for word in words:
        number = NUMBERS.get(word)
        if number is None:
            return None
        numbers.append(number)
    return numbers


def committed_number(text: str) -> int | None:
    """The number that a response claims to have made, by its own arithmetic, right or wrong.

    That is the one number left on the surviving path, with the numbers that `let` set aside put back in. None where
    the response does not commit, or does not come down to one number.
    """
    words = text.split()
    if not commits(words):
        return None
    value: int | None = None
    for segment in reversed(surviving_path(words)):
        match segment:
            case ["try", _, _, _, "=", result] if value is None:
                value = NUMBERS.get(result)
            case ["let", _, operator, aside, "=", _, *rest] if operator in UNDO and aside in NUMBERS:
                if value is None and len(rest) == 1:
                    value = NUMBERS.get(rest[0])
                if value is not None:
                    value += NUMBERS[aside] if operator == "-" else -NUMBERS[aside]
            case ["try", _, _, _, "=", *_] if value is not None:
                continue
            case ["check", *_]:
                continue
            case _:
                return None
        if value is None:
            return None
    return value

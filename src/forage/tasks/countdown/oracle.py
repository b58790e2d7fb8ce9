"""What a partial Countdown response is worth, known exactly because the numbers at hand can be enumerated."""

from functools import lru_cache

from forage.tasks.countdown.grammar import COMMIT
from forage.tasks.countdown.problems import Puzzle, after, legal_steps
from forage.tasks.countdown.verifier import State, state_after, surviving_path, verify


def standing_state(puzzle: Puzzle, text: str, limit: int) -> State | None:
    """The numbers at hand and the goal that stand at the end of `text`; None if anything that stands is wrong.

    A text that ends within a step has not taken it rightly: None.
    """
    return state_after(puzzle, surviving_path(text.split()), limit)


def worth(puzzle: Puzzle, text: str, limit: int) -> float:
    """The chance that legal steps, drawn uniformly from the state that stands, end at the goal: in [0, 1].

    Above 0 exactly where the goal can still be reached without undoing anything. A response that commits is worth its
    reward.
    """
    if COMMIT in text.split():
        return verify(puzzle, text, limit).value
    state = standing_state(puzzle, text, limit)
    return 0.0 if state is None else chance(tuple(sorted(state.numbers)), state.goal, limit)


@lru_cache(maxsize=100_000)
def chance(numbers: tuple[int, ...], goal: int, limit: int) -> float:
    """The chance of uniform legal steps (each choice of pair and operator alike) to turn sorted `numbers` into `goal`.

    `let` adds nothing: whatever it plans is a forward step taken last.
    """
    if len(numbers) == 1:
        return float(numbers[0] == goal)
    chances = [
        chance(tuple(sorted(after(list(numbers), step))), goal, limit) for step in legal_steps(list(numbers), limit)
    ]
    return sum(chances) / len(chances)


def solution(puzzle: Puzzle, limit: int) -> str:
    """A right response: in every state the legal step that leaves the best chance (the first of equals), a check."""
    words: list[str] = []
    numbers = list(puzzle.numbers)
    while len(numbers) > 1:
        step = max(
            legal_steps(numbers, limit),
            key=lambda move: chance(tuple(sorted(after(numbers, move))), puzzle.target, limit),
        )
        numbers = after(numbers, step)
        words += ["try", str(step.left), step.operator, str(step.right), "=", *map(str, numbers)]
    return " ".join([*words, "check", str(numbers[0]), str(puzzle.target), "yes", COMMIT])

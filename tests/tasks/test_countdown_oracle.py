"""What the lab knows about its own states: by hand, and against an enumeration of every chain of steps."""

from fractions import Fraction

import pytest

from forage.core.records import Problem
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.oracle import chance
from forage.tasks.countdown.problems import Puzzle, combine
from forage.tasks.steps import Stepwise

TASK = Countdown(size="experiment")


def asked(prompt: str) -> Problem:
    return Problem(id=prompt, prompt=prompt, answer="", task="countdown")


PROBLEM = asked("use 2 3 and 4 to make 10")


@pytest.mark.parametrize(
    ("numbers", "goal", "expected"),
    [
        ((5,), 5, 1),
        ((5,), 6, 0),
        ((1, 1), 2, Fraction(1, 2)),  # 1 + 1 and 1 - 1; products with 1 are not legal
        ((2, 3), 6, Fraction(1, 3)),  # 5, 1 and 6
        # Nine first steps. To 10: 2+4=6 leaves (3, 6), 2*4=8 leaves (3, 8): 9, 3, 18 and 11, 5, 24, so never. 4-2=2
        # leaves (2, 3), 2*3=6 leaves (4, 6): 6+4 is one of 10, 2, 24. 2+3=5 and 3-2=1 leave (4, 5): 9, 1, 20 and
        # (1, 4): 5, 3. 3+4=7, 4-3=1, 3*4=12 leave (2, 7), (1, 2), (2, 12): of 14, 10, 24 one is 10.
        ((2, 3, 4), 10, Fraction(1, 9) * (Fraction(1, 3) + Fraction(1, 3))),
    ],
)
def test_chances_by_hand(numbers: tuple[int, ...], goal: int, expected: Fraction) -> None:
    assert chance(numbers, goal, 60) == pytest.approx(float(expected))


def every_end(numbers: tuple[int, ...], weight: Fraction) -> list[tuple[int, Fraction]]:
    """The last number of every chain of steps, and the probability of the chain."""
    if len(numbers) == 1:
        return [(numbers[0], weight)]
    children = set()
    for i in range(len(numbers)):
        for j in range(len(numbers)):
            for operator in "+-*":
                # The larger operand stands first; equal ones in the order of their places.
                if i != j and (numbers[i], -i) > (numbers[j], -j):
                    result = combine(numbers[i], operator, numbers[j], 60)
                    if result is not None:
                        rest = tuple(n for k, n in enumerate(numbers) if k not in (i, j))
                        children.add((i, j, operator, (result, *rest)))
    return [end for *_, left in children for end in every_end(left, weight / len(children))]


def test_chances_against_enumeration() -> None:
    for problem in TASK.problems("train")[:6]:
        puzzle = Puzzle(tuple(int(word) for word in str(problem.prompt).split()[1:5] if word != "and"), 0)
        ends = every_end(puzzle.numbers, Fraction(1))
        assert sum(weight for _, weight in ends) == 1
        for goal in {end for end, _ in ends[:5]}:
            exact = sum(weight for end, weight in ends if end == goal)
            assert chance(tuple(sorted(puzzle.numbers)), goal, 60) == pytest.approx(float(exact))


@pytest.mark.parametrize(
    ("text", "expected", "state"),
    [
        ("try 3 * 2 = 6 4", 1 / 3, "[4, 6] 10"),
        ("try 4 + 2 = 6 3 wait try 3 * 2 = 6 4", 1 / 3, "[4, 6] 10"),
        ("let 10 - 4 = 6 2 3", 1 / 3, "[2, 3] 6"),
        ("try 3 * 2 = 7 4", 0, None),  # wrong arithmetic stands
        ("try 3 * 2 = 7 4 back try 3 * 2 = 6 4 try 6 + 4 = 10", 1, "[10] 10"),
        ("try 4 + 2 = 6 3 try 6 + 3 = 9", 0, "[9] 10"),
        ("try 3 * 2", 0, None),  # within a step
    ],
)
def test_what_stands_is_what_counts(text: str, expected: float, state: str | None) -> None:
    assert TASK.oracle(PROBLEM, text) == pytest.approx(expected)
    assert TASK.state(PROBLEM, text) == state
    assert Stepwise(task=TASK).oracle(PROBLEM, text) == TASK.oracle(PROBLEM, text)
    assert Stepwise(task=TASK).state(PROBLEM, text) == state


def test_a_whole_response_is_worth_its_reward_and_the_reference_is_right() -> None:
    for task in (TASK, Countdown(size="demo")):
        for problem in task.problems("train"):
            reference = task.reference(problem)
            assert task.verify(problem, reference).value == task.oracle(problem, reference) == 1
            assert task.oracle(problem, "") > 0
            assert task.oracle(problem, "so") == 0
    assert Stepwise(task=TASK).reference(PROBLEM) == TASK.reference(PROBLEM)

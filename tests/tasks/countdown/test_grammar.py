"""Modes of Countdown: golden expressions, and laws over generated traces."""

import ast
import operator
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from forage.core.records import Problem
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import prompt_of
from forage.tasks.countdown.problems import Puzzle, after, legal_steps

TASK = Countdown(size="experiment")
OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}

FOUR = Puzzle((6, 4, 8, 10), 26)
GOOD = "try 6 * 4 = 24 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26"

SAME = {
    "the operands of a product": "try 4 * 6 = 24 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26",
    "the operands of a sum": "try 6 * 4 = 24 8 10 try 24 - 8 = 16 10 try 10 + 16 = 26",
    "the order of the sum": "try 6 * 4 = 24 8 10 try 24 + 10 = 34 8 try 34 - 8 = 26",
    "brackets in a difference": "try 10 - 8 = 2 6 4 try 6 * 4 = 24 2 try 24 + 2 = 26",
    "what was undone": f"try 8 - 6 = 2 4 10 wait {GOOD}",
    "checks": f"{GOOD} check 26 26 yes",
    "planned from the end": "let 26 - 10 = 16 6 4 8 try 6 * 4 = 24 8 try 24 - 8 = 16",
    "planned twice": "let 26 - 10 = 16 6 4 8 let 16 + 8 = 24 6 4 try 6 * 4 = 24",
}


def problem(puzzle: Puzzle) -> Problem:
    return Problem(id="p", prompt=prompt_of(puzzle), answer=str(puzzle.target), task="countdown")


def mode(puzzle: Puzzle, text: str) -> str | None:
    return TASK.mode(problem(puzzle), f"{text} so")


def test_countdown_names_modes() -> None:
    assert TASK.has_modes


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_one_calculation_is_one_mode(text: str) -> None:
    assert mode(FOUR, text) == mode(FOUR, GOOD) == "10+4*6-8"


def test_other_calculations_are_other_modes() -> None:
    puzzle = Puzzle((1, 2, 3, 4), 10)
    assert mode(puzzle, "try 1 + 2 = 3 3 4 try 3 + 3 = 6 4 try 6 + 4 = 10") == "1+2+3+4"
    assert mode(puzzle, "try 4 * 2 = 8 1 3 try 8 + 3 = 11 1 try 11 - 1 = 10") == "2*4+3-1"
    assert mode(Puzzle((2, 3, 4), 20), "try 2 + 3 = 5 4 try 5 * 4 = 20") == "(2+3)*4"


def test_of_equal_numbers_the_given_one_is_used_first() -> None:
    puzzle = Puzzle((3, 3, 6, 2), 24)
    text = "try 3 + 3 = 6 6 2 try 6 - 2 = 4 6 try 6 * 4 = 24"
    assert mode(puzzle, text) == "(3+3)*(6-2)"
    assert mode(puzzle, text.replace("= 6 6 2", "= 6 2 6")) == "(3+3)*(6-2)"


def test_a_wrong_response_has_none() -> None:
    assert TASK.mode(problem(FOUR), GOOD.replace("= 26", "= 25")) is None
    assert mode(FOUR, "try 6 * 4 = 24 8 10 try 24 - 8 = 16 10") is None


def solutions(puzzle: Puzzle) -> Iterator[tuple[str, str]]:
    """Every chain of legal steps to the target, and the same with all operands that commute the other way round."""

    def extend(numbers: list[int], words: str, swapped: str) -> Iterator[tuple[str, str]]:
        if len(numbers) == 1:
            if numbers[0] == puzzle.target:
                yield words, swapped
            return
        for step in legal_steps(numbers, TASK.space.limit):
            left = after(numbers, step)
            rest = " ".join(map(str, left[1:]))
            one = f" try {step.left} {step.operator} {step.right} = {step.result} {rest}"
            other = (
                one if step.operator == "-" else f" try {step.right} {step.operator} {step.left} = {step.result} {rest}"
            )
            yield from extend(left, words + one, swapped + other)

    yield from extend(list(puzzle.numbers), "", "")


def value(node: ast.expr) -> int:
    if isinstance(node, ast.BinOp):
        return OPERATIONS[type(node.op)](value(node.left), value(node.right))
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, int)
    return node.value


@pytest.mark.parametrize("puzzle", [FOUR, Puzzle((3, 3, 6, 2), 24), Puzzle((5, 5, 5, 5), 50), Puzzle((1, 2, 9), 12)])
def test_modes_are_expressions_of_the_given_numbers(puzzle: Puzzle) -> None:
    found = list(solutions(puzzle))
    assert found
    modes = set()
    for words, swapped in found:
        name = mode(puzzle, words)
        assert name is not None
        assert mode(puzzle, swapped) == name
        assert value(ast.parse(name, mode="eval").body) == puzzle.target
        assert Counter(map(int, re.findall(r"\d+", name))) == Counter(puzzle.numbers)
        modes.add(name)
    assert len(modes) < len(found)
    # Two names are two calculations: with fresh numbers in the places of the given ones they differ in value.
    if len(set(puzzle.numbers)) == len(puzzle.numbers):
        fresh = {
            str(number): str(place) for number, place in zip(puzzle.numbers, (10007, 20011, 40009, 80021), strict=False)
        }
        values = {
            value(ast.parse(re.sub(r"\d+", lambda hit: fresh[hit.group()], name), mode="eval").body) for name in modes
        }
        assert len(values) == len(modes)

"""The canonical form of programs: what is one way to write a function, and what is another."""

import pytest

from forage.tasks.code import TinyCode
from forage.tasks.verifiers.program_form import program_form

BASE = """
def f(x, y):
    total = x + 3 * y
    if total > 10:
        total = total - 1
    return max(total, 3)
"""

SAME = {
    "names": BASE.replace("total", "t").replace("x", "a").replace("maa", "max"),
    "operands of a sum": BASE.replace("x + 3 * y", "y * 3 + x"),
    "a mirrored comparison": BASE.replace("total > 10", "10 < total"),
    "an assignment in place": BASE.replace("total = total - 1", "total -= 1"),
    "comments, blank lines": BASE.replace("    if", "    # over ten\n\n    if"),
    "a docstring": BASE.replace("    total = x", '    """Adds."""\n    total = x'),
    "annotations": BASE.replace("(x, y):", "(x: int, y: int) -> int:").replace("total = x", "total: int = x"),
    "arguments of max": BASE.replace("max(total, 3)", "max(3, total)"),
    "redundant brackets": BASE.replace("3 * y", "(3 * (y))"),
}

OTHER = {
    "another constant": BASE.replace("3 * y", "4 * y"),
    "a difference the other way round": BASE.replace("total - 1", "1 - total"),
    "another comparison": BASE.replace("total > 10", "total >= 10"),
    "names that trade places": BASE.replace("x + 3 * y", "y + 3 * x"),
    "another function": BASE.replace("max(", "min("),
    "one more line": BASE.replace("    return", "    total = total + 0\n    return"),
}

FORM = program_form(BASE)


@pytest.mark.parametrize("source", SAME.values(), ids=SAME)
def test_one_program_in_other_words(source: str) -> None:
    assert source != BASE
    assert program_form(source) == FORM is not None


@pytest.mark.parametrize("source", OTHER.values(), ids=OTHER)
def test_another_program(source: str) -> None:
    assert program_form(source) not in (None, FORM)


def test_associativity() -> None:
    assert program_form("x = (a + b) + c") == program_form("x = c + (b + a)")
    assert program_form("x = (a - b) - c") != program_form("x = a - (b - c)")


def test_texts_and_guards_do_not_commute() -> None:
    assert program_form("x = 'a' + b") != program_form("x = b + 'a'")
    assert program_form("x = [1] + b") != program_form("x = b + [1]")
    assert program_form("ok = i < n and a[i]") != program_form("ok = a[i] and i < n")


def test_names_of_one_function_do_not_leak_into_another() -> None:
    one = "def g(i):\n    return i + 1\ndef f(i):\n    return g(i)\n"
    assert program_form(one.replace("f(i)", "f(j)").replace("g(i)\n", "g(j)\n", 2).replace("def g(j)", "def g(i)")) == (
        program_form(one)
    )
    assert program_form("y = 1\ndef f(x):\n    return x + y") != program_form("y = 1\ndef f(x):\n    return x + x")


def test_the_imported_and_the_built_in_keep_their_names() -> None:
    assert program_form("def f(x):\n    return abs(x)") != program_form("def f(x):\n    return len(x)")
    assert program_form("import math\nx = math.pi") != program_form("import cmath\nx = cmath.pi")


@pytest.mark.parametrize("source", ["def f(:", "x = " + "(" * 5000, "x = " + "-" * 100_000 + "1", "\0"])
def test_what_is_no_program_has_no_form(source: str) -> None:
    assert program_form(source) is None


def test_code_tasks_name_programs() -> None:
    task = TinyCode(train_problems=2, test_problems=1)
    assert task.has_modes
    problem = task.problems("train")[0]
    one = task.mode(problem, "    x = x + 3\n    return x\n")
    assert one is not None
    assert one == task.mode(problem, "    x += 3\n    return x\n")
    assert task.mode(problem, "    y = x + 3\n    return y\n") == task.mode(
        problem, "```python\ndef f(x):\n    y = 3 + x\n    return y\n```"
    )
    assert one != task.mode(problem, "    return x + 3\n")
    assert task.quick(problem, "    return x\n") is None, "programs are read in a process that can be killed"

"""Two kinds of problems in words for `real_model.py`: herds (several right answers) and two-step sums (one)."""

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from forage.core.records import Problem

ANIMALS = ("hens", "goats", "cows", "ducks", "sheep", "pigs", "horses", "geese", "rabbits", "donkeys")
NAMES = ("Ann", "Ben", "Carla", "Dan", "Eve", "Finn", "Gina", "Hugo", "Ida", "Jack")
THINGS = ("apples", "pens", "stamps", "coins", "shells", "cards", "nuts", "books")


def herd(rng: random.Random) -> tuple[dict[str, Any], Callable[[random.Random], str]]:
    """A problem with 3 to 13 right answers, and what draws one of them."""
    one, two = rng.sample(ANIMALS, 2)
    total = rng.randint(6, 16)
    prompt = (
        f"A farm has {total} animals. They are {one} and {two}, at least two of each. How many of each can there be? "
        "Give one possible answer."
    )

    def answer(draw: random.Random) -> str:
        first = draw.randint(2, total - 2)
        return f"{first} {one} and {total - first} {two}"

    return {"prompt": prompt, "answer": f"{total} {one} {two}"}, answer


def herd_right(problem: Problem, text: str) -> bool:
    return _herd(problem, text) is not None


def herd_mode(problem: Problem, text: str) -> str | None:
    """How many there are of the first animal."""
    return _herd(problem, text)


def _herd(problem: Problem, text: str) -> str | None:
    total, one, two = problem.answer.split()
    found = re.fullmatch(rf"(\d+) {one} and (\d+) {two}\.?", text.strip())
    if found is None:
        return None
    first, second = map(int, found.groups())
    return str(first) if min(first, second) >= 2 and first + second == int(total) else None


def two_steps(rng: random.Random) -> tuple[dict[str, Any], Callable[[random.Random], str]]:
    """A problem with one right answer, and its solution in three sentences."""
    one, two = rng.sample(NAMES, 2)
    things = rng.choice(THINGS)
    a, b, c = rng.randint(5, 40), rng.randint(3, 30), rng.randint(2, 9)
    kind = rng.randrange(4)
    if kind == 0:
        c = rng.randint(2, a)
        prompt = f"{one} has {a} {things}. {one} buys {b} more and gives {c} to {two}. How many {things} are left?"
        steps = ("First I add what was bought", f"{a} + {b} = {a + b}", "Then I take away what was given")
        last, answer = f"{a + b} - {c} = {a + b - c}", a + b - c
    elif kind == 1:
        boxes, each = rng.randint(2, 9), rng.randint(3, 12)
        c = rng.randint(2, boxes * each - 1)
        prompt = f"There are {boxes} boxes with {each} {things} in each. {one} takes {c}. How many {things} are left?"
        steps = ("First I count all of them", f"{boxes} * {each} = {boxes * each}", "Then I take away what was taken")
        last, answer = f"{boxes * each} - {c} = {boxes * each - c}", boxes * each - c
    elif kind == 2:
        a, b = rng.randint(2, 12), rng.randint(2, 12)
        prompt = f"{one} sells {a} {things} and {two} sells {b}, for {c} dollars each. How many dollars do they get?"
        steps = ("First I add what both sell", f"{a} + {b} = {a + b}", "Then I multiply by the price")
        last, answer = f"{a + b} * {c} = {(a + b) * c}", (a + b) * c
    else:
        answer = rng.randint(2, 12)
        kept = rng.randint(2, 30)
        total = answer * c + kept
        prompt = f"{one} has {total} {things}, keeps {kept} and shares the rest among {c} friends. How many gets each?"
        steps = ("First I take away what is kept", f"{total} - {kept} = {answer * c}", "Then I share the rest")
        last = f"{answer * c} / {c} = {answer}"
    solution = f"{steps[0]}: {steps[1]}. {steps[2]}: {last}. The answer is {answer}."
    return {"prompt": prompt, "answer": str(answer)}, lambda draw: solution


KINDS = {"herds": herd, "two_steps": two_steps}


def write_problems(place: Path, kind: str, *, train: int, test: int, seed: int) -> tuple[Path, Path]:
    """Tables of different problems, train.jsonl and test.jsonl; of two seeds the test problems are the same."""
    place.mkdir(parents=True, exist_ok=True)
    tests = drawn(kind, test, random.Random(f"{kind} test"), ())
    trains = drawn(kind, train, random.Random(f"{kind} train {seed}"), [row["prompt"] for row, _ in tests])
    files = place / "train.jsonl", place / "test.jsonl"
    for file, rows in zip(files, (trains, tests), strict=True):
        file.write_text("".join(json.dumps(row) + "\n" for row, _ in rows))
    return files


def demonstrations(kind: str, count: int, *, seed: int, test: int) -> list[tuple[str, str]]:
    """(prompt, right response) of problems that are no test problems."""
    rng = random.Random(f"{kind} demonstrations {seed}")
    tests = drawn(kind, test, random.Random(f"{kind} test"), ())
    rows = drawn(kind, count, rng, [row["prompt"] for row, _ in tests])
    return [(row["prompt"], answer(rng)) for row, answer in rows]


def drawn(
    kind: str, count: int, rng: random.Random, without: Sequence[str]
) -> list[tuple[dict[str, Any], Callable[[random.Random], str]]]:
    seen, rows = set(without), []
    while len(rows) < count:
        row, answer = KINDS[kind](rng)
        if row["prompt"] not in seen:
            seen.add(row["prompt"])
            rows.append((row, answer))
    return rows

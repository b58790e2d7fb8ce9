"""What the base model learned to write: a mixture of good, lucky, hasty and broken traces.

The mixture is the point of the task. It knows every strategy of the grammar and a little of when to use them, so that
one attempt seldom succeeds and many attempts nearly always do: room for reinforcement learning to sharpen, and
something for it to lose.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from forage.tasks.countdown.grammar import END, step_starts
from forage.tasks.countdown.problems import Puzzle, Range, Step, after, draw_puzzle, draw_step
from forage.tasks.countdown.verifier import UNDO

Kind = Literal["forward", "backward", "search", "hasty", "unfinished"]

MIXTURE: dict[Kind, float] = {"forward": 0.25, "backward": 0.15, "search": 0.30, "hasty": 0.20, "unfinished": 0.10}
"""forward: a correct chain; backward: a correct chain that begins with `let`; search: two to five random attempts, that
may give up wrongly; hasty: one random attempt, mostly unchecked; unfinished: ends without committing."""

FAILED_FIRST = 0.30
"""Share of the correct chains that come after a failed attempt and `wait`."""

SLIP = 0.03
"""Chance that a random step miscalculates. Correct chains have no slips."""

PLAN_FIRST = 0.35
"""Chance that a random attempt begins with `let`."""

STEP_BACK = 0.40
"""Chance that a search goes back one or two steps, rather than to the root."""

CHECKED_HASTE = 0.20
"""Chance that a hasty attempt is checked (and then committed to all the same)."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A puzzle and one response to it, word by word, `<eos>` included."""

    puzzle: Puzzle
    kind: Kind
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _State:
    numbers: list[int]
    goal: int

    @property
    def settled(self) -> bool:
        return len(self.numbers) == 1

    @property
    def solved(self) -> bool:
        return self.numbers == [self.goal]


def write_traces(space: Range, amount: int, *, rare_share: float, seed: int) -> Iterator[Trace]:
    """`amount` traces of puzzles from the base split; `rare_share` of them have the range's rare count of numbers."""
    rng = random.Random(f"countdown traces {seed}")
    kinds, shares = list(MIXTURE), list(MIXTURE.values())
    for _ in range(amount):
        count = space.count
        if space.rare_count is not None and rng.random() < rare_share:
            count = space.rare_count
        kind = rng.choices(kinds, shares)[0]
        while True:
            puzzle, chain = draw_puzzle(rng, space, count, "base")
            words = _Writer(rng, space.limit, puzzle).write(kind, chain)
            if words:
                break
        yield Trace(puzzle, kind, (*words, END))


class _Writer:
    """Writes one trace: the words so far, and the stack of states that they lead to."""

    def __init__(self, rng: random.Random, limit: int, puzzle: Puzzle) -> None:
        self.rng = rng
        self.limit = limit
        self.words: list[str] = []
        self.stack = [_State(list(puzzle.numbers), puzzle.target)]

    def write(self, kind: Kind, chain: tuple[Step, ...]) -> list[str]:
        """The response without its end; empty where the chain cannot be written in this kind."""
        if kind in ("forward", "backward"):
            asides = self.asides(chain, self.stack[0].numbers) if kind == "backward" else []
            if kind == "backward" and not asides:
                return []
            if self.rng.random() < FAILED_FIRST:
                self.attempt()
                self.check()
            if not self.stack[-1].solved:
                self.return_to_root()
                self.tell(chain, asides)
                self.check()
            self.words.append("so")
        elif kind == "hasty":
            self.attempt()
            if self.rng.random() < CHECKED_HASTE:
                self.check()
            self.words.append("so")
        else:
            self.search()
            if kind == "unfinished":
                self.cut()
        return self.words

    # ------------------------------------------------------------------------------------------------------- passages

    def tell(self, chain: tuple[Step, ...], asides: list[int]) -> None:
        """The chain, but its last steps first, as `let`: one for each number set aside."""
        for aside, step in zip(asides, reversed(chain), strict=False):
            self.let(aside, step.operator)
        for step in chain[: len(chain) - len(asides)]:
            self.step(step)

    def asides(self, chain: tuple[Step, ...], numbers: list[int]) -> list[int]:
        """The numbers to set aside, last step first, if the chain is written from its end; empty if it cannot be."""
        if len(chain) < 2:
            return []
        last = chain[-1]
        for aside in {"+": (last.right, last.left), "-": (last.right,), "*": ()}[last.operator]:
            if aside in numbers:
                rest = list(numbers)
                rest.remove(aside)
                if _possible(rest, chain[:-1]):
                    return [aside, *(self.asides(chain[:-1], rest) if self.rng.random() < 0.5 else ())]
        return []

    def attempt(self) -> None:
        """Random steps from the current state until one number is left."""
        if self.rng.random() < PLAN_FIRST:
            self.random_let()
        while not self.stack[-1].settled:
            state = self.stack[-1]
            self.step(self.slipped(draw_step(self.rng, state.numbers, self.limit)))

    def search(self) -> None:
        """Two to five attempts, each checked; ends at the first that succeeds, or by giving up."""
        attempts = 2 + int(self.rng.random() * 4)
        for number in range(attempts):
            self.attempt()
            self.check()
            if self.stack[-1].solved or number + 1 == attempts:
                break
            if self.rng.random() < STEP_BACK:
                self.back()
                if len(self.stack) > 1 and self.rng.random() < 0.5:
                    self.back()
            else:
                self.return_to_root()
        self.words.append("so")

    def cut(self) -> None:
        """Stops at the end of a random step."""
        del self.words[self.rng.choice(step_starts(self.words)[1:]) :]

    # ---------------------------------------------------------------------------------------------------------- steps

    def step(self, step: Step) -> None:
        state = self.stack[-1]
        numbers = after(state.numbers, step)
        self.words += ("try", str(step.left), step.operator, str(step.right), "=", *map(str, numbers))
        self.stack.append(_State(numbers, state.goal))

    def let(self, aside: int, last: str) -> None:
        """Sets a number aside for a step with the operator `last`."""
        state = self.stack[-1]
        operator = UNDO[last]
        goal = state.goal - aside if operator == "-" else state.goal + aside
        numbers = list(state.numbers)
        numbers.remove(aside)
        self.words += ("let", str(state.goal), operator, str(aside), "=", str(goal), *map(str, numbers))
        self.stack.append(_State(numbers, goal))

    def random_let(self) -> None:
        state = self.stack[-1]
        if state.settled:
            return
        aside = self.rng.choice(state.numbers)
        last = self.rng.choice(("+", "-"))
        if 0 <= (state.goal - aside if last == "+" else state.goal + aside) <= self.limit:
            self.let(aside, last)

    def check(self) -> None:
        state = self.stack[-1]
        verdict = "yes" if state.solved else "no"
        self.words += ("check", str(state.numbers[0]), str(state.goal), verdict)

    def return_to_root(self) -> None:
        if len(self.stack) > 1:
            self.words.append("wait")
            del self.stack[1:]

    def back(self) -> None:
        self.words.append("back")
        self.stack.pop()

    def slipped(self, step: Step) -> Step:
        if self.rng.random() >= SLIP:
            return step
        wrong = step.result + self.rng.choice((-2, -1, 1, 2))
        return Step(step.left, step.operator, step.right, min(max(wrong, 0), self.limit))


def _possible(numbers: list[int], chain: tuple[Step, ...]) -> bool:
    for step in chain:
        if step.left not in numbers or numbers.count(step.right) < 1 + (step.left == step.right):
            return False
        numbers = after(numbers, step)
    return len(numbers) == 1

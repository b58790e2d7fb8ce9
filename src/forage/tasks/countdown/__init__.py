"""Countdown: reach a target with a few numbers, thinking aloud in a small language.

A toy task. Problems can be made without limit, a response is judged in microseconds, steps have well-defined
ends, and a base model that knows several strategies badly can be trained in a minute on a CPU.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem, Score
from forage.tasks.countdown import grammar, oracle, verifier
from forage.tasks.countdown.expression import expression_of
from forage.tasks.countdown.problems import DEMO, EXPERIMENT, Puzzle, Range, draw_pool
from forage.tasks.countdown.traces import Trace, write_traces

__all__ = ["Countdown"]

RARE_SHARE = {"train": 0.4, "test": 0.4, "base": 0.5}
"""Share of problems with four numbers, where the size has them."""

POOLS = {"demo": {"train": 160, "test": 64}, "experiment": {"train": 256, "test": 96}}
"""How many problems a split has unless asked otherwise."""


@dataclass(frozen=True, kw_only=True)
class Countdown(Task):
    """Countdown with a written trace; `forage.tasks.countdown.grammar` is the language.

    `size="demo"`: three numbers from 1..9, results and targets up to 40. `size="experiment"`: three or four numbers
    (60% and 40%) from 1..12, results and targets up to 60. `seed` selects which `train_problems` of the train split
    are in the pool (None: 160 for the demo, which is nearly all there are, and 256 for the experiment). The test
    problems (None: 64 and 96) do not depend on the seed, so that runs can be compared problem by problem, and no seed
    or size moves a problem from one split to another.
    """

    name: ClassVar[str] = "countdown"

    size: Literal["demo", "experiment"] = "demo"
    seed: int = 0
    train_problems: int | None = None
    test_problems: int | None = None

    def __post_init__(self) -> None:
        if self.size not in ("demo", "experiment"):
            raise ForageError(f"Countdown has the sizes 'demo' and 'experiment', not {self.size!r}.")
        for name in ("train_problems", "test_problems"):
            amount = getattr(self, name)
            if amount is not None and amount < 1:
                raise ForageError(f"Countdown needs at least one problem in each split, not {name}={amount}.")

    @property
    def space(self) -> Range:
        return DEMO if self.size == "demo" else EXPERIMENT

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in POOLS[self.size]:
            raise ForageError(f"Countdown has the splits 'train' and 'test', not {split!r}.")
        asked = self.train_problems if split == "train" else self.test_problems
        amount = asked or POOLS[self.size][split]
        seed = self.seed if split == "train" else 0
        return tuple(_problem(puzzle) for puzzle in draw_pool(self.space, split, amount, RARE_SHARE[split], seed))

    def traces(self, amount: int) -> Iterator[Trace]:
        """What the base model learns from: puzzles of the base split, with the seed of this task."""
        return write_traces(self.space, amount, rare_share=RARE_SHARE["base"], seed=self.seed)

    def verify(self, problem: Problem, text: str) -> Score:
        return verifier.verify(grammar.puzzle_of(problem.prompt), text, self.space.limit)

    def answer(self, problem: Problem, text: str) -> str | None:
        number = verifier.committed_number(text)
        return None if number is None else str(number)

    def mode(self, problem: Problem, text: str) -> str | None:
        """The calculation that survives, whatever the order of its operands: `expression.expression_of`."""
        puzzle, path = grammar.puzzle_of(problem.prompt), verifier.surviving_path(text.split())
        return expression_of(puzzle, path) if verifier.reaches_goal(puzzle, path, self.space.limit) else None

    def oracle(self, problem: Problem, text: str) -> float:
        return oracle.worth(grammar.puzzle_of(problem.prompt), text, self.space.limit)

    def state(self, problem: Problem, text: str) -> str | None:
        state = oracle.standing_state(grammar.puzzle_of(problem.prompt), text, self.space.limit)
        return None if state is None else f"{sorted(state.numbers)} {state.goal}"

    def reference(self, problem: Problem) -> str:
        return oracle.solution(grammar.puzzle_of(problem.prompt), self.space.limit)

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str]:
        """A check that comes out right: how sure the policy is that what stands is the goal."""
        number = problem.answer if answer is None else answer
        return "check", f" {number} {number} yes"

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return grammar.step_ends(pieces)


def _problem(puzzle: Puzzle) -> Problem:
    return Problem(
        id=f"countdown:{puzzle.name}",
        prompt=grammar.prompt_of(puzzle),
        answer=str(puzzle.target),
        task=Countdown.name,
        tags=(f"{len(puzzle.numbers)} numbers",),
    )

"""Code problems: what is asked for is a Python program, and unit tests say whether it is right.

`TinyCode` is a world of small integer functions that a tiny model can learn; `CodeFile` reads problems from a file.
Steps are lines of code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.tasks.code import language
from forage.tasks.code.functions import TESTED, Function, Program, draw_programs
from forage.tasks.steps import code_line, ends_at
from forage.tasks.verifiers import Verified
from forage.tasks.verifiers.unit_tests import Examination, UnitTests

__all__ = ["TinyCode"]

POOLS = {"train": 96, "test": 48}


@dataclass(frozen=True, kw_only=True)
class TinyCode(Verified):
    """Write the function whose results are shown: `# f(2) = 9 ... # use * # use + def f(x):`.

    A function is `lines` lines that each change `x` by one operation and a constant. The prompt names the operations
    and shows results for some arguments, and the tests ask for more: the constants must be inferred. `seed` selects
    the training problems; the test problems do not depend on it, and functions are split by what they compute.
    """

    name: ClassVar[str] = "code"

    lines: int = 2
    seed: int = 0
    train_problems: int = POOLS["train"]
    test_problems: int = POOLS["test"]

    def __post_init__(self) -> None:
        if self.lines < 1 or min(self.train_problems, self.test_problems) < 1:
            raise ForageError("The code task needs at least one line and one problem in each split.")

    @property
    def verifier(self) -> UnitTests:
        return UnitTests(seconds=1, memory_mb=64)

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in POOLS:
            raise ForageError(f"The code task has the splits 'train' and 'test', not {split!r}.")
        amount, seed = (self.train_problems, self.seed) if split == "train" else (self.test_problems, 0)
        return tuple(_problem(*drawn) for drawn in draw_programs(self.lines, split, amount, seed))

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return ends_at(pieces, code_line)

    def programs(self, amount: int) -> Iterator[tuple[list[str], list[str]]]:
        """What the base model learns from: prompts and programs of the base split, as words."""
        return language.write_programs(amount, lines=self.lines, seed=self.seed)


def _problem(program: Program, function: Function) -> Problem:
    examination = Examination(
        inputs=tuple([x] for x in TESTED), outputs=function.results, entry="f", starter=language.STARTER
    )
    return Problem(
        id=f"code:{function.name}",
        prompt="".join(language.prompt_words(program, function)),
        answer=examination.to_json(),
        task=TinyCode.name,
    )

"""The answer is what a regular expression finds. Python's expressions can take exponential time: this one may hang."""

import re
from collections import deque
from dataclasses import dataclass
from typing import ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.verifiers.base import Verifier, verdict
from forage.tasks.verifiers.numbers import asks_for_percent, close, read_quantity


@dataclass(frozen=True, kw_only=True)
class Regex(Verifier):
    r"""The last match of `pattern` (its first group, where it has one), compared as text or as a number.

    Typed as `regex:answer = (\d+)` or `regex:compare=numeric,pattern=answer = (\d+)`: everything behind `pattern=` is
    the pattern. `.` matches within a line and `^` and `$` at lines.
    """

    name: ClassVar[str] = "regex"
    hangs: ClassVar[bool] = True
    free_text: ClassVar[str] = "pattern"

    pattern: str = ""
    compare: Literal["exact", "numeric"] = "exact"
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        if not self.pattern:
            raise ForageError("A regex verifier needs a pattern, as in regex:answer is (.*)")
        if self.compare not in ("exact", "numeric"):
            raise ForageError(f"A regex verifier compares as exact or numeric, not {self.compare!r}.")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ForageError(f"The pattern {self.pattern!r} is not a regular expression: {error}.") from None

    def check(self, answer: str) -> None:
        if self.compare == "numeric" and read_quantity(answer) is None:
            raise ForageError(f"its answer is not a number: {answer[:60]!r}")

    def judge(self, problem: Problem, text: str) -> Score:
        answer = self.answer(problem, text)
        return verdict(answer is not None and self._matches(answer, problem), answered=float(answer is not None))

    def answer(self, problem: Problem, text: str) -> str | None:
        matches = deque(re.finditer(self.pattern, text, re.MULTILINE), maxlen=1)
        if not matches:
            return None
        answer = matches[0][min(1, matches[0].re.groups)]
        return None if answer is None else answer.strip()

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return self.answer(problem, text) is not None  # the pattern is the mark

    def _matches(self, answer: str, problem: Problem) -> bool:
        if self.compare == "exact":
            return answer == problem.answer.strip()
        wanted, number = read_quantity(problem.answer), read_quantity(answer)
        if wanted is None:
            raise ForageError(f"The answer of problem {problem.id} is not a number: {problem.answer[:60]!r}.")
        return number is not None and close(
            number, wanted, self.tolerance, in_percent=number.percent and asks_for_percent(problem.question)
        )

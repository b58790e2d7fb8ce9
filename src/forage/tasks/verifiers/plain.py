"""Verifiers that judge at once and cannot hang: the same words, the same number, the same choice."""

import re
from dataclasses import dataclass
from typing import ClassVar

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.verifiers.base import Verifier, verdict
from forage.tasks.verifiers.extraction import TAIL, final_answer, marked_or_whole
from forage.tasks.verifiers.numbers import (
    ROUNDING,
    Quantity,
    asks_for_percent,
    close,
    last_quantity,
    read_quantity,
)


class Immediate(Verifier):
    """A verifier whose every verdict is quick."""

    hangs: ClassVar[bool] = False

    def quick(self, problem: Problem, text: str) -> Score:
        answer = self.answer(problem, text)
        return verdict(answer is not None and self.matches(answer, problem.answer), answered=float(answer is not None))

    def judge(self, problem: Problem, text: str) -> Score:
        return self.quick(problem, text)

    def matches(self, answer: str, wanted: str) -> bool:
        """Whether the canonical answer `answer` is the one that the problem states."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Exact(Immediate):
    """The same text, after white space is made equal. The answer is what the response marks as such, or all of it."""

    name: ClassVar[str] = "exact"

    ignore_case: bool = True

    def answer(self, problem: Problem, text: str) -> str | None:
        answer = marked_or_whole(text)
        return None if answer is None else self._canonical(answer)

    def matches(self, answer: str, wanted: str) -> bool:
        return answer == self._canonical(final_answer(wanted) or wanted)

    def _canonical(self, text: str) -> str:
        words = " ".join(text.split())
        return words.casefold() if self.ignore_case else words


@dataclass(frozen=True, kw_only=True)
class Numeric(Immediate):
    """The same number within `tolerance`: thousands commas, currencies, percent, fractions and units are understood.

    The answer is what the response marks as such, or else the last number in it. `tolerance` is relative to the right
    answer (absolute where that is 0). Two whole numbers must be equal, unless the tolerance is above 1e-6.
    """

    name: ClassVar[str] = "numeric"

    tolerance: float = ROUNDING

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise ForageError(f"The tolerance of a numeric verifier lies in [0, 1), not {self.tolerance}.")

    def check(self, answer: str) -> None:
        if _wanted(answer) is None:
            raise ForageError(f"its answer is not a number: {answer[:60]!r}")

    def quick(self, problem: Problem, text: str) -> Score:
        wanted = _wanted(problem.answer)
        if wanted is None:
            raise ForageError(f"The answer of problem {problem.id} is not a number: {problem.answer[:60]!r}.")
        stated = _read(text)
        in_percent = stated is not None and stated.percent and asks_for_percent(problem.question)
        right = stated is not None and close(stated, wanted, self.tolerance, in_percent=in_percent)
        return verdict(right, answered=float(stated is not None))

    def answer(self, problem: Problem, text: str) -> str | None:
        stated = _read(text)
        if stated is None:
            return None
        number = stated.value / 100 if stated.percent else stated.value
        return f"{number} {stated.unit}".strip()


def _wanted(answer: str) -> Quantity | None:
    """A right answer is a number as it stands, or marked as a solution marks its own (`#### 42`)."""
    return read_quantity(final_answer(answer) or answer)


def _read(text: str) -> Quantity | None:
    marked = final_answer(text)
    if marked is not None:
        return read_quantity(marked) or last_quantity(marked)
    return read_quantity(text) or last_quantity(text[-TAIL:])


@dataclass(frozen=True, kw_only=True)
class Choice(Immediate):
    """The same letter of a multiple choice, A to `last`.

    The answer is the letter in what the response marks as its answer (`\\boxed{B}`, `The answer is (B) seven`), or else
    the last letter that stands in brackets or alone on a line.
    """

    name: ClassVar[str] = "choice"

    last: str = "J"

    def __post_init__(self) -> None:
        if not re.fullmatch("[B-Z]", self.last):
            raise ForageError(f"The last choice is a capital letter from B to Z, not {self.last!r}.")

    def answer(self, problem: Problem, text: str) -> str | None:
        marked = final_answer(text)
        if marked is not None and (letter := self._leading(marked)):
            return letter
        letter = f"[A-{self.last}]"
        standing = rf"\(({letter})\)|^[ \t]*\**({letter})\**[.):]?[ \t]*$"
        letters = re.findall(standing, text[-TAIL:], re.MULTILINE)
        return (letters[-1][0] or letters[-1][1]) if letters else None

    def marks_answer(self, problem: Problem, text: str) -> bool:
        """A marked answer, or a last line that is a letter and nothing else."""
        last = text.rstrip().rpartition("\n")[2].strip(" \t*.()[]")
        return super().marks_answer(problem, text) or re.fullmatch(f"[A-{self.last}]", last) is not None

    def check(self, answer: str) -> None:
        if self._leading(final_answer(answer) or answer) is None:
            raise ForageError(f"its answer is no letter from A to {self.last}: {answer[:60]!r}")

    def matches(self, answer: str, wanted: str) -> bool:
        return answer == (self._leading(final_answer(wanted) or wanted) or wanted.strip())

    def _leading(self, text: str) -> str | None:
        bare = text.replace("\\text{", "").replace("\\textbf{", "").strip()
        match = re.match(rf"[(\[*{{$\s]*([A-{self.last}a-{self.last.lower()}])(?![A-Za-z0-9'])", bare)
        return match[1].upper() if match else None

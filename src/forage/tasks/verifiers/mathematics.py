"""Mathematical answers: LaTeX, boxed, sets, intervals, algebra, judged by math-verify in killable processes."""

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.verifiers.base import Verifier, installed, verdict
from forage.tasks.verifiers.extraction import TAIL, final_answer, marked_or_whole
from forage.tasks.verifiers.numbers import read_plain


@dataclass(frozen=True, kw_only=True)
class Math(Verifier):
    """Equal as mathematics, by math-verify. Plain numbers, and answers that are equal as text, do not need it.

    `digits` is how many decimal places must agree where an answer is a decimal number.
    """

    name: ClassVar[str] = "math"
    hangs: ClassVar[bool] = True

    digits: int = 6

    def prepare(self) -> None:
        _math_verify()

    def quick(self, problem: Problem, text: str) -> Score | None:
        found, wanted = marked_or_whole(text), final_answer(problem.answer) or problem.answer.strip()
        if found is None:
            return None
        if _bare(found) == _bare(wanted):
            return verdict(True, answered=1.0)
        left, right = read_plain(_bare(found)), read_plain(_bare(wanted))
        if left is None or right is None:
            return None
        if left.denominator == right.denominator == 1:
            return verdict(left == right, answered=1.0)
        return verdict(True, answered=1.0) if left == right else None  # rounding is math-verify's affair

    def versions(self) -> dict[str, str]:
        return installed("math-verify", "latex2sympy2-extended", "sympy")

    def judge(self, problem: Problem, text: str) -> Score:
        parse, verify = _math_verify()
        wanted = problem.answer if "$" in problem.answer or "\\boxed" in problem.answer else f"${problem.answer}$"
        gold = parse(wanted, parsing_timeout=None)
        if not gold:
            raise ForageError(f"math-verify cannot read the answer of problem {problem.id}: {problem.answer[:60]!r}.")
        # A marked answer is handed over alone: math-verify would otherwise prefer any formula before it.
        marked = final_answer(text)
        found = parse(text if marked is None else f"\\boxed{{{marked}}}", parsing_timeout=None)
        right = bool(found) and verify(gold, found, float_rounding=self.digits, timeout_seconds=None)
        return verdict(right, answered=float(bool(found)))

    def answer(self, problem: Problem, text: str) -> str | None:
        """Equal texts and equal plain numbers vote together; other spellings of one value vote apart."""
        found = final_answer(text) or _last_formula(text) or marked_or_whole(text)
        if found is None:
            return None
        number = read_plain(_bare(found))
        return _bare(found) if number is None else str(number)


def _last_formula(text: str) -> str | None:
    """What stands between the last two dollar signs of a text."""
    parts = text[-TAIL:].rsplit("$", 2)
    return parts[1] if len(parts) == 3 else None


def _bare(answer: str) -> str:
    """Without dollar signs, spaces and a final full stop."""
    return "".join(answer.split()).strip("$").removesuffix(".")


@cache
def _math_verify() -> tuple[Any, Any]:
    """math-verify's `parse` and `verify`. Its own time limits are signals, which fail outside the main thread."""
    try:
        from math_verify import parse, verify
    except ImportError:
        raise ForageError("The math verifier needs math-verify: pip install math-verify[antlr4_13_2].") from None
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it warns that its own time limits are off
    return parse, verify

"""Mathematical answers: LaTeX, boxed, sets, intervals, algebra, judged by math-verify in killable processes."""

import logging
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, ClassVar

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.verifiers.base import Verifier, installed, verdict
from forage.tasks.verifiers.extraction import TAIL, final_answer, marked_or_whole
from forage.tasks.verifiers.forms import LONGEST_CHAIN, Chain, chain_of, decimals, kind_of, kinds_differ
from forage.tasks.verifiers.numbers import asks_for_percent, close, read_plain, read_quantity
from forage.tasks.verifiers.units import is_known

_PROSE = re.compile(r"[A-Za-z]{2,}[,.:]?\s+[A-Za-z]{2,}|\n")


@dataclass(frozen=True, kw_only=True)
class Math(Verifier):
    """Equal as mathematics, by math-verify. Plain numbers, and answers that are equal as text, do not need it.

    `digits` is how many decimal places must agree where an answer is a decimal number; whole numbers must be equal.
    What math-verify reads generously is decided before (`forms`): sets are no tuples and no single values, units must
    agree where both are written, `50%` is 0.5 unless the question asks in percent, and every equality that a response
    states in its answer has to hold.
    """

    name: ClassVar[str] = "math"
    hangs: ClassVar[bool] = True

    digits: int = 6

    def prepare(self) -> None:
        _math_verify()

    def quick(self, problem: Problem, text: str) -> Score | None:
        stated, wanted = marked_or_whole(text), final_answer(problem.answer) or problem.answer.strip()
        if stated is None:
            return None
        if _bare(stated) == _bare(wanted):
            return verdict(True, answered=1.0)
        left, right = read_plain(_bare(stated)), read_plain(_bare(wanted))
        if left is None or right is None:
            return None
        return verdict(self._agree(left, right), answered=1.0)

    def versions(self) -> dict[str, str]:
        return installed("math-verify", "latex2sympy2-extended", "sympy")

    def judge(self, problem: Problem, text: str) -> Score:
        parse, _ = _math_verify()
        gold = parse(_as_formula(problem.answer), parsing_timeout=None)
        if not gold:
            raise ForageError(f"math-verify cannot read the answer of problem {problem.id}: {problem.answer[:60]!r}.")
        # A marked answer is handed over alone: math-verify would otherwise prefer any formula before it.
        marked = final_answer(text)
        parsed = parse(text if marked is None else f"\\boxed{{{marked}}}", parsing_timeout=None)
        stated, wanted = marked or _formula(text), final_answer(problem.answer) or problem.answer
        percent = asks_for_percent(problem.question)
        decided = self._by_form(stated, wanted, percent=percent) if parsed and stated else None
        right = bool(parsed) and (self._equal(gold, parsed) if decided is None else decided)
        return verdict(right, answered=float(bool(parsed)))

    def _by_form(self, stated: str, wanted: str, *, percent: bool) -> bool | None:
        """The verdict where the form of an answer decides it; None where its value does."""
        chain = chain_of(stated)
        if chain is None or chain_of(wanted) is not None:
            return self._one_value(stated, wanted, percent=percent)
        return self._chain_holds(chain.settled(), wanted, percent=percent)

    def _one_value(self, stated: str, wanted: str, *, percent: bool) -> bool | None:
        if kinds_differ(kind_of(wanted), kind_of(stated)):
            return False
        left, right = read_quantity(stated), read_quantity(wanted)
        if left is None or right is None:
            return None
        known = [is_known(side.unit) for side in (left, right)]
        if left.unit != right.unit and all(known):
            return False
        if left.percent or right.percent:
            return close(left, right, 0.5 * 10.0**-self.digits, in_percent=percent)
        plain = all(recognized or not side.unit for recognized, side in zip(known, (left, right), strict=True))
        return self._agree(left.value, right.value) if plain else None

    def _chain_holds(self, chain: Chain, wanted: str, *, percent: bool) -> bool:
        """Whether each side equals the next, or rounds to it, and one of them is the wanted value."""

        def equal(stated: str, wanted: str) -> bool:
            decided = self._one_value(stated, wanted, percent=percent)
            return self._same(stated, wanted, self.digits) if decided is None else decided

        if len(chain.sides) > LONGEST_CHAIN:
            return False
        for left, right, relation in zip(chain.sides, chain.sides[1:], chain.relations, strict=False):
            places = decimals(right)
            holds = equal(right, left) if relation == "=" else places is not None and self._same(left, right, places)
            if not holds:
                return False
        return any(equal(side, wanted) for side in chain.sides)

    def _same(self, left: str, right: str, places: int) -> bool:
        parse, verify = _math_verify()
        first, second = (parse(_as_formula(side), parsing_timeout=None) for side in (left, right))
        return bool(first and second) and verify(first, second, float_rounding=places, timeout_seconds=None)

    def _equal(self, gold: Any, parsed: Any) -> bool:
        return _math_verify()[1](gold, parsed, float_rounding=self.digits, timeout_seconds=None)

    def _agree(self, stated: Fraction, wanted: Fraction) -> bool:
        """Whole numbers are equal, others to `digits` decimals. What rounds to 0 is not 0 where the other is not."""
        if stated == wanted or stated.denominator == wanted.denominator == 1:
            return stated == wanted
        return round(wanted, self.digits) != 0 and round(stated - wanted, self.digits) == 0

    def answer(self, problem: Problem, text: str) -> str | None:
        """Equal texts and equal plain numbers vote together; other spellings of one value vote apart."""
        stated = final_answer(text) or _last_formula(text) or marked_or_whole(text)
        if stated is None:
            return None
        number = read_plain(_bare(stated))
        return _bare(stated) if number is None else str(number)


def _last_formula(text: str) -> str | None:
    """What stands between the last two dollar signs of a text."""
    parts = text[-TAIL:].rsplit("$", 2)
    return parts[1] if len(parts) == 3 else None


def _formula(text: str) -> str | None:
    """What an unmarked response states: its last formula, or all of it where it is short and no prose."""
    whole = marked_or_whole(text)
    return _last_formula(text) or (None if whole is None or _PROSE.search(whole) else whole)


def _as_formula(answer: str) -> str:
    return answer if "$" in answer or "\\boxed" in answer else f"${answer}$"


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

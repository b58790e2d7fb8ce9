"""Which way to the goal a right Countdown response took: its calculation as an expression in a canonical form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from forage.tasks.countdown.grammar import NUMBERS
from forage.tasks.countdown.problems import Puzzle
from forage.tasks.countdown.verifier import UNDO


@dataclass(frozen=True, slots=True)
class Sum:
    """The terms that are added and those that are taken away, each sorted; a lone term is a number or a product."""

    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "-".join(["+".join(self.plus), *self.minus])


@dataclass(frozen=True)
class Expression:
    """What a number at hand was made of. Sums and products are flat and sorted, so `a + (b - c)` is `b + a - c`.

    `factors` are the texts of what is multiplied; a number, or a sum, is a product of one factor.
    """

    value: int
    terms: Sum
    factors: tuple[str, ...]
    given: bool = False

    @cached_property
    def text(self) -> str:
        return self.terms.text


def number(value: int) -> Expression:
    return Expression(value, Sum((str(value),)), (str(value),), given=True)


def combined(left: Expression, operator: str, right: Expression, value: int) -> Expression:
    """`left operator right`, whose value is `value`."""
    if operator == "*":
        factors = tuple(sorted((*left.factors, *right.factors)))
        return Expression(value, Sum(("*".join(factors),)), factors)
    first, other = left.terms, right.terms
    plus, minus = (other.plus, other.minus) if operator == "+" else (other.minus, other.plus)
    terms = Sum(tuple(sorted((*first.plus, *plus))), tuple(sorted((*first.minus, *minus))))
    return Expression(value, terms, (f"({terms.text})",))


def expression_of(puzzle: Puzzle, path: Sequence[Sequence[str]]) -> str:
    """The calculation on a surviving path that reaches the goal, as in `(10-4)*6+8`.

    A response names numbers by their values: of several at hand that are equal, one that the puzzle gave is used before
    one that was made, and of those the first in the order of their texts.
    """
    hand = [number(value) for value in puzzle.numbers]
    planned: list[tuple[str, Expression]] = []
    for segment in path:
        match segment:
            case ["try", left, operator, right, "=", result, *_]:
                first, second = _take(hand, NUMBERS[left]), _take(hand, NUMBERS[right])
                hand.append(combined(first, operator, second, NUMBERS[result]))
            case ["let", _, operator, aside, *_]:
                planned.append((UNDO[operator], _take(hand, NUMBERS[aside])))
            case _:  # a check, which changes nothing
                continue
    (made,) = hand
    for operator, aside in reversed(planned):
        value = made.value + aside.value if operator == "+" else made.value - aside.value
        made = combined(made, operator, aside, value)
    return made.text


def _take(hand: list[Expression], value: int) -> Expression:
    chosen = min(
        (expression for expression in hand if expression.value == value),
        key=lambda expression: (not expression.given, expression.text),
    )
    hand.remove(chosen)
    return chosen

r"""The form of a mathematical answer: what stands around its value, which an algebra system drops or reads generously.

Linear in the length of the text. LaTeX is read as far as its brackets go.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["plain", "bare list", "set", "tuple", "list"]
Relation = Literal["=", "approx"]

LONGEST_CHAIN = 6

_RELATION = re.compile(r"\\(?:approx|simeq|thickapprox)(?![A-Za-z])|≈|(?<![<>!:=\\])=(?!=)")
_OTHER_RELATION = re.compile(r"[<>≤≥≠]|\\(?:le|leq|ge|geq|lt|gt|ne|neq|in|notin|subset|to|implies)(?![A-Za-z])")
_WORDS = re.compile(r"\\(?:text|mathrm|textrm|mbox|operatorname)\s*\{[^{}]*\}")
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_SIZES = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])")
_CONSTANTS = {"e", "i"}


@dataclass(frozen=True, slots=True)
class Chain:
    """`a = b \\approx c`: the sides, and the relation before each but the first."""

    sides: tuple[str, ...]
    relations: tuple[Relation, ...]

    def settled(self) -> "Chain":
        """Without a first side that only gives the value its name (`x = `, `f(2) = `)."""
        return Chain(self.sides[1:], self.relations[1:]) if _names_something(self.sides[0]) else self


def kind_of(answer: str) -> Kind:
    """What the outermost brackets make of an answer. Brackets around a single value make nothing of it."""
    text = _tidy(answer)
    if text.startswith("\\{") and _closes_at_end(text, 2):
        return "set"
    if text.startswith("[") and _closes_at_end(text, 1):
        return "list"
    if text.startswith("(") and _closes_at_end(text, 1):
        return "tuple" if _has_comma(text[1:-1]) else "plain"
    return "bare list" if _has_comma(text) else "plain"


def kinds_differ(wanted: Kind, given: Kind) -> bool:
    """Whether an answer of one kind cannot be one of the other. Values with nothing around them may be either."""
    if given == "set":
        return wanted in ("plain", "tuple", "list")
    if wanted == "set":
        return given in ("tuple", "list")
    return wanted == "plain" and given == "list"


def chain_of(answer: str) -> Chain | None:
    """The chain of equalities that an answer is; None where it is none: a value, a list, an inequality."""
    text = _tidy(answer)
    if _has_comma(text) or _OTHER_RELATION.search(text):
        return None
    top = _top_level(text)
    matches = [match for match in _RELATION.finditer(text) if top[match.start()]]
    if not matches:
        return None
    starts, ends = [0, *(match.end() for match in matches)], [*(match.start() for match in matches), len(text)]
    sides = tuple(text[start:end].strip() for start, end in zip(starts, ends, strict=True))
    relations: Iterator[Relation] = ("=" if match[0] == "=" else "approx" for match in matches)
    return Chain(sides, tuple(relations))


def decimals(side: str) -> int | None:
    """Digits behind the point of a plain number; None for anything else."""
    match = re.fullmatch(r"-?\d+(?:\.(\d+))?", side.strip("$ "))
    return None if match is None else len(match[1] or "")


def _names_something(side: str) -> bool:
    """Whether a side holds a variable or words, so that it cannot be checked."""
    letters = re.findall(r"[A-Za-z]", _COMMANDS.sub(" ", _WORDS.sub("", side)))
    return not side or bool(_WORDS.search(side)) or any(letter not in _CONSTANTS for letter in letters)


def _tidy(answer: str) -> str:
    text = _SIZES.sub("", answer).replace("\\lbrace", "\\{").replace("\\rbrace", "\\}")
    return text.strip().strip("$").strip()


def _has_comma(text: str) -> bool:
    """A comma or semicolon between values. One between digits and three more is a thousands comma."""
    top = _top_level(text)
    for match in re.finditer(r"[,;]", text):
        thousands = re.match(r",\d{3}(?!\d)", text[match.start() :]) and text[: match.start()][-1:].isdigit()
        if top[match.start()] and not thousands and text[: match.start()][-1:] != "\\":
            return True
    return False


def _closes_at_end(text: str, first: int) -> bool:
    """Whether the bracket that opens `text` closes with its last character."""
    top = _top_level(text)
    inner: Sequence[bool] = top[first : len(text) - 1]
    return len(text) > first and text[-1] in ")]}" and not any(inner[:-1] if text.endswith("\\}") else inner)


def _top_level(text: str) -> list[bool]:
    """Which characters stand in no bracket. A bracket itself counts as inside, except one that closes nothing."""
    depth, outside = 0, []
    for character in text:
        if character in "([{":
            depth += 1
        outside.append(depth == 0)
        if character in ")]}":
            depth = max(0, depth - 1)
    return outside

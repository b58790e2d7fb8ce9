"""Where the reasoning steps of a text end, for any text and any tokenizer.

A rule finds the characters at which a new step begins; `ends_at` turns them into tokens. The result always partitions
the tokens: increasing exclusive ends, the last one the number of tokens. A step begins with the first token that lies
wholly at or behind the boundary, so a token that straddles one stays with the step it began in.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, takewhile
from operator import index
from types import MappingProxyType
from typing import ClassVar

from forage.core.errors import ForageError
from forage.grams.key_steps import STEP_LABEL
from forage.tasks.own_function import check_name, load_function
from forage.tasks.wrapped import Wrapped

Rule = Callable[[str], Iterable[int]]
"""The characters of a text at which steps begin. Order, repetition and places at or outside its ends do not matter."""


def newline(text: str) -> list[int]:
    """Steps are lines; empty lines and indentation belong to the line before."""
    return [match.end() for match in re.finditer(r"\n\s*", text)]


def sentence(text: str) -> list[int]:
    """Steps are sentences: behind . ! or ? (and closing quotes or brackets) and white space, and behind line breaks.

    A full stop inside a number (3.5) or before a small letter (e.g. this) ends nothing.
    """
    return [match.end() for match in re.finditer(r"[.!?][\"')\]]*\s+(?![a-z])|\n\s*", text)]


def label(text: str) -> list[int]:
    """A step begins at a line that says `Step 3:` (or `step 3.`, `### Step 3`); what comes before is a step too."""
    return [match.start() for match in STEP_LABEL.finditer(text)]


def code_line(text: str) -> list[int]:
    """Steps are lines of code: a line that is blank or only a comment begins no step of its own, but joins the next."""
    places, position, open_ended = [0], 0, False
    for line in text.splitlines(keepends=True):
        if not open_ended:
            places.append(position)
        open_ended = not line.strip() or line.lstrip().startswith(("#", "//"))
        position += len(line)
    return places


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {"newline": newline, "sentence": sentence, "label": label, "code_line": code_line}
)


def rule_of(text: str) -> Rule:
    """The rule that a person names: one of `RULES`, or `words:so wait back` (each of these words begins a step), or
    `python:module:function` (a function of the text that returns the characters at which steps begin).

    A function is imported when the rule is first asked: reading a recipe must run nothing. Raises ForageError for
    anything else, and when it is asked where the function is not there or returns no whole numbers.
    """
    kind, _, rest = text.partition(":")
    if text in RULES:
        return RULES[text]
    if kind == "words" and rest.split():
        return beginning_with(rest.split())
    if kind == "python":
        check_name(rest)
        return lambda response: _places(rest, response)
    raise ForageError(
        f"{text!r} does not say where steps begin. It is one of {', '.join(RULES)}, or words:WORD WORD ..., or "
        "python:MODULE:FUNCTION."
    )


def _places(function: str, response: str) -> list[int]:
    places: object = load_function(function)(response)
    try:
        return [index(place) for place in places]  # pyright: ignore[reportGeneralTypeIssues]  (whatever it returns)
    except TypeError:
        raise ForageError(
            f"{function} must return the characters at which steps begin, as whole numbers; it returned {places!r}."
        ) from None


def ends_at(pieces: Sequence[str], rule: Rule) -> tuple[int, ...]:
    """Exclusive ends of the steps of a response given token by token; () for no tokens.

    `rule` may be any function of the text. Tokens without text (an end token, the first bytes of a character) belong
    to the step before.
    """
    if not pieces:
        return ()
    reach = list(accumulate(map(len, pieces)))
    ends: list[int] = []
    token = 0
    for place in takewhile(lambda place: place < reach[-1], sorted(rule("".join(pieces)))):
        while reach[token] < place:
            token += 1
        if place > 0:
            end = token + 1
            while end < len(pieces) and not pieces[end]:
                end += 1
            ends.append(end)
    return (*sorted(set(ends) - {len(pieces)}), len(pieces))


@dataclass(frozen=True, kw_only=True)
class Stepwise(Wrapped):
    """Another task with other step boundaries: `steps` names a rule (`rule_of`), or `words` begin a step each.

    Everything else is the task's own. Raises ForageError for `steps="words"` without words.
    """

    name: ClassVar[str] = "stepwise"

    steps: str = "newline"
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.steps == "words") != bool(self.words):
            raise ForageError('steps="words" goes with the words that begin a step, and no other rule takes words.')
        _ = self._rule

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return ends_at(pieces, self._rule)

    @cached_property
    def _rule(self) -> Rule:
        return beginning_with(self.words) if self.words else rule_of(self.steps)


def beginning_with(words: Sequence[str]) -> Rule:
    """A rule by which every whole word of `words` begins a step, with the white space before it."""
    pattern = re.compile(rf"\s*(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)")
    return lambda text: [match.start() for match in pattern.finditer(text)]

"""Responses that `forage verify` has judged: read from a table, and printed for people or for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from forage.core.errors import ForageError
from forage.core.records import Message, Problem, Score
from forage.tasks.table.files import data_files, read_rows
from forage.tasks.verifiers import Verifier

WIDTH = 60
"""Characters of a response that are shown."""

SHOWN = 20
"""Rows of a table that are shown; all of them are counted, and all are printed as JSON."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A response, its verdict, and the answer that the verifier found in it. `where` is its row."""

    where: str
    text: str
    score: Score
    answer: str | None

    @classmethod
    def of(cls, verifier: Verifier, problem: Problem, text: str, score: Score) -> Self:
        return cls(problem.id, text, score, verifier.answer(problem, text) if score.judged else None)

    def to_json(self) -> str:
        """`value` is null where the response could not be judged."""
        content: dict[str, Any] = {
            "where": self.where,
            "response": self.text,
            "value": self.score.value if self.score.judged else None,
            "correct": self.score.correct if self.score.judged else None,
            "answer": self.answer,
            "parts": dict(self.score.parts),
        }
        return json.dumps(content)


def responses_of(path: Path, *, answer: str, response: str, prompt: str) -> list[tuple[Problem, str]]:
    """The problem and the response of each row. Raises ForageError, with the place, for a row that has none."""
    pairs = []
    for row in read_rows(data_files(path)):
        if row.values is None:
            raise ForageError(f"{row.where}: {row.reason}.")
        right, text = (_text(row.values, name, row.where) for name in (answer, response))
        problem = Problem(id=row.where, prompt=_prompt(row.values.get(prompt)), answer=right, task="verify")
        pairs.append((problem, text))
    if not pairs:
        raise ForageError(f"The table {path} has no rows.")
    return pairs


def print_judged(judged: Sequence[Judged], *, as_json: bool, whole: bool) -> None:
    """One line for each, and how many were right. Of a table (`whole` is false) the first ones that were not."""
    if as_json:
        for one in judged:
            print(one.to_json())
        return
    table = Table("response" if whole else "row", "value", "answer", "what is known", box=None)
    shown = judged if whole else [one for one in judged if not one.score.correct][:SHOWN]
    for one in shown:
        parts = ", ".join(f"{name} {value:g}" for name, value in one.score.parts.items())
        value = f"{one.score.value:g}" if one.score.judged else "unjudged"
        table.add_row(one.text[:WIDTH] if whole else one.where, value, one.answer and one.answer[:WIDTH], parts)
    if shown:
        Console().print(table, highlight=False, markup=False)
    if not whole:
        right, unjudged = sum(one.score.correct for one in judged), sum(not one.score.judged for one in judged)
        print(f"{right} of {len(judged)} responses are right, {unjudged} could not be judged.")


def _text(values: Mapping[str, Any], name: str, where: str) -> str:
    if name not in values or values[name] is None:
        raise ForageError(f"{where}: it has no {name!r}, only {', '.join(map(repr, values)) or 'nothing'}.")
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _prompt(value: Any) -> str | tuple[Message, ...]:
    if isinstance(value, list):
        turns = [turn for turn in value if isinstance(turn, Mapping)]
        return tuple(Message(str(turn.get("role", "")), str(turn.get("content", ""))) for turn in turns)
    return value if isinstance(value, str) else ""

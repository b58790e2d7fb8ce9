"""Responses that `forage verify` has judged: read from a table, and shown as a table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from forage.cli.tables import Tables
from forage.core.errors import ForageError
from forage.core.records import Message, Problem, Score
from forage.core.result_table import ResultTable
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

    def to_json(self) -> dict[str, Any]:
        """`value` is null where the response could not be judged."""
        return {
            "where": self.where,
            "response": self.text,
            "value": self.score.value if self.score.judged else None,
            "correct": self.score.correct if self.score.judged else None,
            "answer": self.answer,
            "parts": dict(self.score.parts),
        }


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


def show_judged(shown: Tables, judged: Sequence[Judged], *, of_table: bool) -> None:
    """One row for each response; of a table the first ones that were not right, and how many were."""
    right, unjudged = sum(each.score.correct for each in judged), sum(not each.score.judged for each in judged)
    rows = [
        (
            each.where if of_table else each.text[:WIDTH],
            f"{each.score.value:g}" if each.score.judged else "unjudged",
            (each.answer or "")[:WIDTH],
            ", ".join(f"{name} {value:g}" for name, value in each.score.parts.items()),
        )
        for each in ([each for each in judged if not each.score.correct][:SHOWN] if of_table else judged)
    ]
    if rows:
        columns = ("row" if of_table else "response", "value", "answer", "what is known")
        shown.table("responses", ResultTable.of_texts(columns, rows))
    if of_table:
        shown.say(f"{right} of {len(judged)} responses are right, {unjudged} could not be judged.")
    shown.value("responses", {"rows": [each.to_json() for each in judged]})
    shown.value("right", right)
    shown.value("unjudged", unjudged)


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

"""Solutions that somebody else wrote, to be labeled here: one JSON row each.

A row has `prompt` and either `steps` (a list of texts) or `solution` (one text, which the task cuts into steps), or it
is a row of a label format (ER-PRM, OpenRLHF, Math-Shepherd, TRL), whose own labels are then not used. `answer` is what
the verifier compares with, for a question that is none of the task's own. Steps without white space between them get a
line break there: they join to the response that is continued and verified.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.reward_models.prm.formats import Rejected, json_rows, steps_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSolution:
    """`steps` are given, or one text that is still to be cut (`whole`). `problem` is an id, None without one."""

    prompt: str
    steps: tuple[str, ...]
    whole: bool
    problem: str | None
    answer: str | None
    source: str


def read_solutions(path: Path) -> tuple[list[ExternalSolution], list[Rejected]]:
    """The solutions of a JSONL file, or of a JSON file with one list, and the rows that are none.

    Raises ForageError where the file cannot be read at all.
    """
    solutions: list[ExternalSolution] = []
    rejected: list[Rejected] = []
    for source, row in json_rows(path):
        try:
            solutions.append(_parse(row, source))
        except ForageError as error:
            rejected.append(Rejected(source, str(error)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            rejected.append(Rejected(source, f"it cannot be read ({type(error).__name__}: {error})"))
    return solutions, rejected


def _parse(row: Any, source: str) -> ExternalSolution:
    if not isinstance(row, Mapping):
        raise ForageError("it is not a JSON object")
    known, whole = steps_of(row), False
    if known is not None:
        prompt, steps = known
    elif "prompt" in row and "steps" in row:
        prompt, steps = row["prompt"], row["steps"]
    elif "prompt" in row and "solution" in row:
        prompt, steps, whole = row["prompt"], [row["solution"]], True
    else:
        raise ForageError(
            f"it has the keys {', '.join(map(str, row)) or 'none'}; needed are prompt and steps or solution"
        )
    if isinstance(steps, str) or not all(isinstance(text, str) for text in (prompt, *steps)):
        raise ForageError("prompt and steps must be texts")
    if not "".join(steps).strip():
        raise ForageError("its solution has no text")
    names = ((row.get(key) is None, str(row.get(key))) for key in ("problem", "answer"))
    problem, answer = (None if missing else text for missing, text in names)
    return ExternalSolution(
        prompt=prompt, steps=_apart(steps), whole=whole, problem=problem, answer=answer, source=source
    )


def _apart(steps: Sequence[str]) -> tuple[str, ...]:
    ends = [step[-1:].isspace() or after[:1].isspace() for step, after in pairwise(steps)]
    return tuple(step if apart else f"{step}\n" for step, apart in zip(steps, [*ends, True], strict=True))

"""A row of somebody's table as a question and its answer, or a sentence that says why it is none.

Three layouts are known by their columns: `prompt` and `answer` (under any names), verl's (`data_source`, `prompt`,
`reward_model.ground_truth`, `extra_info`), and Math-Shepherd's (`input`, `label`), whose rows are solutions: the answer
of a question is that of its solutions whose last step is labeled right.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from forage.core.errors import ForageError
from forage.core.records import Message
from forage.tasks.table.separated import Row

Prompt = str | tuple[Message, ...]

STEP_TAG = "ки"
"""Ends every step of a Math-Shepherd solution; + or - stands in its place in the label."""

ROLES = ("system", "user", "assistant", "tool", "developer")

_FIRST_STEP = re.compile(r"(?<!\S)Step 1:")
_FINAL_ANSWER = re.compile(r"The answer is:?\s*(.*?)\s*$", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns say what. Dots lead into nested columns: `reward_model.ground_truth`.

    `answer_after`, where given, keeps of an answer what stands behind the last such text (`####` for GSM8K). `id` names
    the problems; without it they are named by their content. `tags` are columns whose values label the problems.
    `solution`, where given, holds a right response: what methods that show one learn from.
    """

    prompt: str = "prompt"
    answer: str = "answer"
    id: str | None = None
    tags: tuple[str, ...] = ()
    answer_after: str = ""
    solution: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A question and its answer, read from a row. `id` is "" where the row does not name itself."""

    where: str
    prompt: Prompt
    answer: str
    id: str = ""
    tags: tuple[str, ...] = ()
    solution: str = ""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be used: where it stands and why."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Read:
    """What the rows of a table gave, in their order."""

    entries: tuple[Entry, ...]
    rejected: tuple[RejectedRow, ...]


def anything(answer: str) -> None:
    """Takes every answer."""


def read_entries(rows: Iterable[Row], columns: Columns, check: Callable[[str], None] = anything) -> Read:
    """Every row as an entry or as a rejection. Raises nothing for the content of a row.

    `check` raises ForageError for an answer that no response can reach.
    """
    entries: list[Entry] = []
    rejected: list[RejectedRow] = []
    questions: dict[str, _Question] = {}
    named: dict[str, str] = {}
    for row in rows:
        try:
            if row.values is None:
                raise ForageError(row.reason)
            if _is_math_shepherd(row.values, columns):
                _collect(questions, row.where, row.values)
                continue
            entry = _entry(row.where, row.values, columns)
            check(entry.answer)
            if entry.id and entry.id in named:
                raise ForageError(f"its id {entry.id!r} is that of {named[entry.id]}")
            named[entry.id] = entry.where
            entries.append(entry)
        except ForageError as error:
            rejected.append(RejectedRow(row.where, str(error).rstrip(".")))
    for question in questions.values():
        if question.answer:
            entries.append(Entry(question.where, question.prompt, question.answer))
        else:
            reason = f"none of the {question.solutions} solutions of its question is right, so no answer is known"
            rejected.append(RejectedRow(question.where, reason))
    return Read(tuple(entries), tuple(rejected))


def _entry(where: str, values: Mapping[str, Any], columns: Columns) -> Entry:
    if columns.answer not in values and {"data_source", "prompt", "reward_model"} <= set(values):
        return _verl_entry(where, values, columns)
    answer = _answer(_look_up(values, columns.answer))
    return Entry(
        where=where,
        prompt=_prompt(_look_up(values, columns.prompt)),
        answer=_behind(answer, columns.answer_after),
        id="" if columns.id is None else _answer(_look_up(values, columns.id), "id"),
        tags=tuple(_answer(_look_up(values, name), "tag") for name in columns.tags),
        solution=_solution(values, columns),
    )


def _solution(values: Mapping[str, Any], columns: Columns) -> str:
    return _text(_look_up(values, columns.solution), "solution") if columns.solution else ""


def _verl_entry(where: str, values: Mapping[str, Any], columns: Columns) -> Entry:
    rule = values["reward_model"]
    if isinstance(rule, str):  # written from a table without nested columns
        try:
            rule = json.loads(rule)
        except ValueError:
            raise ForageError("its reward_model is a text that is not JSON") from None
    if not isinstance(rule, Mapping) or "ground_truth" not in rule:
        raise ForageError("its reward_model has no ground_truth")
    return Entry(
        where=where,
        prompt=_prompt(values["prompt"]),
        answer=_behind(_answer(rule["ground_truth"]), columns.answer_after),
        id="" if columns.id is None else _answer(_look_up(values, columns.id), "id"),
        tags=(_answer(values["data_source"], "data_source"),),
        solution=_solution(values, columns),
    )


def _look_up(values: Mapping[str, Any], name: str) -> Any:
    """The value of a column; a dotted name that is no column itself leads into nested ones."""
    if name in values:
        return values[name]
    value: Any = values
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ForageError(f"it has no {name!r}, only {', '.join(map(repr, values)) or 'nothing'}")
        value = value[part]
    return value


def _prompt(value: Any) -> Prompt:
    if isinstance(value, str):
        if (messages := _messages_in(value)) is None:
            return _text(value, "prompt")
        value = messages
    if not isinstance(value, Sequence) or not value:
        raise ForageError("its prompt is neither a text nor a list of messages")
    messages = tuple(_message(turn) for turn in value if not _says_nothing(turn))
    if not messages:
        raise ForageError("all messages of its prompt are empty")
    if messages[-1].role == "assistant":
        raise ForageError("its last message is the assistant's, so there is nothing to answer")
    return messages


def _messages_in(text: str) -> list[Any] | None:
    """The messages that a text is the JSON of, as in CSV files; None for any other text."""
    if not text.lstrip().startswith("["):
        return None
    try:
        turns = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (
        turns if turns and all(isinstance(turn, dict) and {"role", "content"} <= set(turn) for turn in turns) else None
    )


def _says_nothing(turn: Any) -> bool:
    """An empty system prompt, as tables with a system column hold it."""
    return isinstance(turn, Mapping) and turn.get("role") == "system" and not turn.get("content")


def _message(turn: Any) -> Message:
    if not isinstance(turn, Mapping) or not {"role", "content"} <= set(turn):
        raise ForageError("a message of its prompt has no role or no content")
    role, content = turn["role"], turn["content"]
    if role not in ROLES:
        raise ForageError(f"a message has the role {role!r}, which is none of {', '.join(ROLES)}")
    if isinstance(content, Sequence) and not isinstance(content, str):
        parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
        if not all(isinstance(part, str) for part in parts):
            raise ForageError("a message holds something else than text")
        content = "".join(part for part in parts if part)
    return Message(role, _text(content, "message"))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ForageError(f"its {name} is {_show(value)}, not a text")
    if not value.strip():
        raise ForageError(f"its {name} is empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ForageError(f"its {name} holds half of a character (a lone surrogate)") from None
    return value


def _answer(value: Any, name: str = "answer") -> str:
    """Text as it is; numbers, booleans, lists and objects as JSON."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise ForageError(f"its {name} is missing")
    if isinstance(value, str):
        return _text(value, name)
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return _text(str(value), name)


def _behind(answer: str, mark: str) -> str:
    if not mark:
        return answer
    _, separator, rest = answer.rpartition(mark)
    if not separator:
        raise ForageError(f"its answer does not hold {mark!r}")
    return _text(rest.strip(), f"answer behind {mark!r}")


def _show(value: Any) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


# ----------------------------------------------------------------------------------------------------- Math-Shepherd


@dataclass(slots=True)
class _Question:
    where: str
    prompt: str
    answer: str = ""
    solutions: int = field(default=0)


def _is_math_shepherd(values: Mapping[str, Any], columns: Columns) -> bool:
    given, label = values.get("input"), values.get("label")
    return (
        columns.prompt not in values
        and isinstance(given, str)
        and isinstance(label, str)
        and STEP_TAG in given
        and STEP_TAG not in label
    )


def _collect(questions: dict[str, _Question], where: str, values: Mapping[str, Any]) -> None:
    """Adds a solution to its question; a right one gives the answer."""
    solution, label = values["input"].rstrip(), values["label"].rstrip()
    begin = _FIRST_STEP.search(solution)
    if begin is None:
        raise ForageError('its input has no "Step 1:", so the question cannot be separated from the solution')
    if not solution.endswith(STEP_TAG) or label[-1:] not in ("+", "-"):
        raise ForageError("its last step has no label")
    prompt = _text(solution[: begin.start()].strip(), "question")
    question = questions.setdefault(prompt, _Question(where, prompt))
    question.solutions += 1
    if label.endswith("+") and not question.answer:
        last = solution.removesuffix(STEP_TAG).rsplit(STEP_TAG, 1)[-1]
        match = _FINAL_ANSWER.search(last)
        if match is None or not match[1]:
            raise ForageError('its last step is right and does not say "The answer is"')
        question.answer = match[1]

"""Step labels in the files of others: ER-PRM, OpenRLHF, Math-Shepherd, TRL, and our own counts.

A row that does not say one value for every step is rejected, by file and line, never repaired: a label that has moved
to another step teaches the wrong thing silently.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from forage.core.errors import ForageError
from forage.reward_models.prm.labels import LabeledSolution

TAG = "ки"
"""The step tag of Math-Shepherd, ER-PRM and OpenRLHF."""

Format = Literal["er-prm", "openrlhf", "math-shepherd", "trl"]
FORMATS: tuple[Format, ...] = get_args(Format)
LOSSY: frozenset[Format] = frozenset({"math-shepherd", "trl"})
"""Formats whose labels are yes or no."""

_FIRST_STEP = re.compile(r"(?<!\S)Step 1:")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedSolution:
    """A question, its steps and a label for each: NaN where a step has none.

    Texts are kept to the letter, white space included: prompt and steps join to what was written. `source` says where
    the row was read.
    """

    prompt: str
    steps: tuple[str, ...]
    values: tuple[float, ...]
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.steps or len(self.steps) != len(self.values):
            raise ForageError(f"{len(self.steps)} steps have {len(self.values)} values")
        for value in self.values:
            if not (math.isnan(value) or 0 <= value <= 1):
                raise ForageError(f"the value {value} does not lie in [0, 1]")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be used: where it stands and why."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Labels:
    """What a file held."""

    solutions: tuple[TaggedSolution, ...]
    rejected: tuple[Rejected, ...]


def read_labels(path: Path, *, eta: float = 1.0, m: int | None = None, seed: int = 0) -> Labels:
    """The labeled solutions of a JSONL file, or of a JSON file with one list; the keys of a row decide its format.

    `eta` turns the counts of our own format into labels, of `m` continuations drawn with `seed` where m is given; other
    formats hold labels already. Rows that cannot be read are returned as rejected. Raises ForageError where the file
    cannot be read at all.
    """
    if m is not None and m < 1:
        raise ForageError(f"A label needs at least one continuation, not {m}.")
    counts = partial(_parse_counts, eta=eta, m=m, seed=seed)
    solutions, rejected = [], []
    for source, row in json_rows(path):
        try:
            solutions.append(_parse(row, source, counts))
        except ForageError as error:
            rejected.append(Rejected(source, str(error)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            rejected.append(Rejected(source, f"it is not a row of a known format ({type(error).__name__}: {error})"))
    return Labels(tuple(solutions), tuple(rejected))


def write_labels(solutions: Iterable[TaggedSolution], to: Format) -> tuple[str, int]:
    """The solutions as JSONL text, and how many values a yes-or-no format had to round (0.5 and more is yes).

    Raises ForageError for a text that holds the tag itself and for a step without a value: neither can be written.
    """
    if to not in _WRITERS:
        raise ForageError(f"Labels can be written as {', '.join(_WRITERS)}, not {to!r}.")
    lines, rounded = [], 0
    for number, solution in enumerate(solutions, 1):
        where = solution.source or f"solution {number}"
        if TAG in solution.prompt or any(TAG in step for step in solution.steps):
            raise ForageError(f"{where}: the text holds the step tag {TAG!r} itself, so its tags would be ambiguous.")
        if any(math.isnan(value) for value in solution.values):
            raise ForageError(f"{where}: a step has no value, which {to} cannot say.")
        rounded += sum(value not in (0, 1) for value in solution.values) if to in LOSSY else 0
        lines.append(json.dumps(_WRITERS[to](solution), ensure_ascii=False) + "\n")
    return "".join(lines), rounded


def stepwise_rows(solutions: Iterable[TaggedSolution]) -> list[dict[str, Any]]:
    """Rows with `prompt`, `completions` and `labels`, as TRL and Axolotl read them, of solutions with all values."""
    return [_write_trl(solution) for solution in solutions if not any(math.isnan(value) for value in solution.values)]


def json_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """(where it stands, row) of a JSONL file, or of a JSON file with one list; None for a line that is no JSON.

    Raises ForageError where the file cannot be read at all.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ForageError(f"The file {path} cannot be read: {error}.") from error
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise ForageError(f"{path} is not JSON: {error}.") from error
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows, 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", _json(line)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # no object, so it is rejected with its line


def steps_of(row: Mapping[str, Any]) -> tuple[str, Sequence[str]] | None:
    """Question and steps of a row of a known format, whatever its labels; None for a row of none.

    Raises ForageError, ValueError, TypeError or KeyError for a row that does not add up.
    """
    parsers = {_COUNTS: partial(_parse_counts, eta=0.0, m=None, seed=0), **_PARSERS}
    parse = next((parse for keys, parse in parsers.items() if set(keys) <= set(row)), None)
    return parse(row)[:2] if parse else None


def _parse(row: Any, source: str, counts: "_Parser") -> TaggedSolution:
    if not isinstance(row, Mapping):
        raise ForageError("it is not a JSON object")
    parsers = {_COUNTS: counts, **_PARSERS}
    for keys, parse in parsers.items():
        if set(keys) <= set(row):
            prompt, steps, values = parse(row)
            return TaggedSolution(prompt=prompt, steps=tuple(steps), values=tuple(values), source=source)
    known = "; ".join(" and ".join(keys) for keys in parsers)
    raise ForageError(f"it has the keys {', '.join(map(str, row)) or 'none'}, and a known format has: {known}")


_Parts = tuple[str, Sequence[str], Sequence[float]]
_Parser = Callable[[Mapping[str, Any]], _Parts]


def _parse_counts(row: Mapping[str, Any], *, eta: float, m: int | None, seed: int) -> _Parts:
    labeled = LabeledSolution.from_json(row)
    labeled = labeled if m is None else labeled.drawn(m, seed=seed)
    return labeled.prompt, labeled.steps, labeled.values(eta)


def _parse_trl(row: Mapping[str, Any]) -> _Parts:
    return _text(row["prompt"]), [_text(step) for step in row["completions"]], [_value(v) for v in row["labels"]]


def _parse_values(row: Mapping[str, Any]) -> _Parts:
    """ER-PRM and OpenRLHF: one text with a tag behind every step, and a list of numbers or signs."""
    prompt, steps = _split(_text(row["text"]), row.get("prompt"))
    return prompt, steps, [_value(value) for value in row["value"]]


def _parse_math_shepherd(row: Mapping[str, Any]) -> _Parts:
    """`label` repeats `input` with + or - in the place of every tag."""
    whole, label = _text(row["input"]), _text(row["label"])
    pieces, at, values = whole.split(TAG), 0, []
    for number, piece in enumerate(pieces, 1):
        if label[at : at + len(piece)] != piece:
            raise ForageError(f"input and label differ before tag {number}")
        at += len(piece)
        if number < len(pieces):
            values.append(_value(label[at : at + 1]))
            at += 1
    if at != len(label):
        raise ForageError("label goes on where input has ended")
    prompt, steps = _split(whole, row.get("prompt"))
    return prompt, steps, values


def _split(text: str, prompt: Any) -> tuple[str, list[str]]:
    """Question and steps of a tagged text, which begins with `prompt` where the row has one, as ours do.

    Else the question ends where "Step 1:" begins; without that it is in step 1.
    """
    *steps, rest = text.split(TAG)
    if not steps:
        raise ForageError("it has no step tag")
    if rest.strip():
        raise ForageError("there is text after the last tag, so its last step has no label")
    if isinstance(prompt, str) and steps[0].startswith(prompt):
        at = len(prompt)
    else:
        match = _FIRST_STEP.search(steps[0])
        at = match.start() if match else 0
    return steps[0][:at], [steps[0][at:], *steps[1:]]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ForageError(f"{value!r} stands where a text should")
    return value


def _value(value: Any) -> float:
    if value in ("+", "-"):
        return float(value == "+")
    if not isinstance(value, int | float):  # bool is an int
        raise ForageError(f"the label {value!r} is neither a number nor + or -")
    if math.isnan(value):
        raise ForageError("a label is NaN")
    return float(value)


_COUNTS = ("steps", "counts", "outcome")
_PARSERS: Mapping[tuple[str, ...], _Parser] = {
    ("prompt", "completions", "labels"): _parse_trl,
    ("input", "label"): _parse_math_shepherd,
    ("text", "value"): _parse_values,
}


def _tagged(solution: TaggedSolution, marks: Sequence[str]) -> str:
    """One text, with white space between the question, the steps and the marks wherever there is none."""
    text = solution.prompt
    for step, mark in zip(solution.steps, marks, strict=True):
        text = _spaced(_spaced(text, step), mark)
    return text


def _spaced(text: str, more: str) -> str:
    gap = " " if text and not text[-1].isspace() and not more[:1].isspace() else ""
    return text + gap + more


def _write_values(solution: TaggedSolution) -> dict[str, Any]:
    text = _tagged(solution, [TAG] * len(solution.steps))
    return {"text": text, "value": list(solution.values), "prompt": solution.prompt}


def _write_math_shepherd(solution: TaggedSolution) -> dict[str, Any]:
    marks = ["+" if value >= 0.5 else "-" for value in solution.values]
    whole = _tagged(solution, [TAG] * len(solution.steps))
    return {"input": whole, "label": _tagged(solution, marks), "task": "MATH", "prompt": solution.prompt}


def _write_trl(solution: TaggedSolution) -> dict[str, Any]:
    labels = [value >= 0.5 for value in solution.values]
    return {"prompt": solution.prompt, "completions": list(solution.steps), "labels": labels}


_WRITERS: Mapping[Format, Callable[[TaggedSolution], dict[str, Any]]] = {
    "er-prm": _write_values,
    "openrlhf": _write_values,
    "math-shepherd": _write_math_shepherd,
    "trl": _write_trl,
}

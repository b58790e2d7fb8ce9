"""Samples that other tools wrote, as one record: what pass@k and its intervals need, and no more.

A row's keys decide its format. What a file does not say is not guessed: a response without a verdict is unjudged,
and where several columns could be the verdict the reader asks for its name.
"""

import io
import json
import math
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.errors import ForageError

Row = Mapping[str, Any]
THRESHOLD = 0.5
"""A numeric verdict from here up means a right response."""

TRL_COLUMNS = ("step", "prompt", "completion", "advantage", "forage_added", "image")
ZSTANDARD = 93
"""The number of this compression in ZIP files; Inspect writes its logs with it."""


@dataclass(frozen=True, slots=True)
class ExternalSample:
    """One response. `correct` is None where it was not judged; `mode` names a final answer or a mode, where one is
    known, and `step` is the training step, where the file says it."""

    problem: str
    text: str
    correct: bool | None
    mode: str | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleColumns:
    """Which columns to read, where a file has more than one answer: names of the verdict's and the mode's column."""

    verdict: str | None = None
    mode: str | None = None
    threshold: float = THRESHOLD


PLAIN = SampleColumns()


def read_samples(path: Path, columns: SampleColumns = PLAIN) -> tuple[ExternalSample, ...]:
    """The samples of a file: TRL's completions (Parquet), verl's rollouts and validation dumps, prime-rl's and
    open-instruct's rollouts, lm-eval's `samples_*.jsonl`, an Inspect log (.eval), or any JSONL or Parquet with a
    prompt, a response and a verdict.

    Raises ForageError, naming the file and the row, for what cannot be read.
    """
    try:
        rows = list(_rows(path))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, struct.error, pa.ArrowException) as error:
        raise ForageError(f"{path} cannot be read: {(str(error).splitlines() or ['?'])[0]}.") from error
    if not rows:
        raise ForageError(f"{path} holds no samples.")
    samples: list[ExternalSample] = []
    for number, row in enumerate(rows, 1):
        try:
            samples += [replace(sample, step=_step(row)) for sample in _reader_of(row)(row, columns)]
        except ForageError as error:
            raise ForageError(f"{path}, row {number}: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ForageError(f"{path}, row {number}: it does not add up ({type(error).__name__}: {error}).") from error
    return tuple(samples)


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix == ".parquet":
        yield from pq.read_table(path).to_pylist()
    elif path.suffix == ".eval":
        yield from json.loads(_member(path, "summaries.json"))
    else:
        text = path.read_text(encoding="utf-8")
        if text.lstrip().startswith("["):
            yield from json.loads(text)
        else:
            yield from (json.loads(line) for line in text.split("\n") if line.strip())


def _member(path: Path, name: str) -> bytes:
    """A file inside a ZIP file, also where it is compressed by Zstandard, which the standard library cannot undo."""
    raw = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        about = archive.getinfo(name)
        if about.compress_type != ZSTANDARD:
            return archive.read(name)
    sizes = struct.unpack("<HH", raw[about.header_offset + 26 : about.header_offset + 30])
    begin = about.header_offset + 30 + sum(sizes)
    with pa.CompressedInputStream(pa.BufferReader(raw[begin : begin + about.compress_size]), "zstd") as stream:
        return bytes(stream.read())


def _reader_of(row: Row) -> Callable[[Row, SampleColumns], list[ExternalSample]]:
    if not isinstance(row, Mapping):
        raise ForageError("it is not an object.")
    for keys, reader in _READERS:
        if set(keys) <= set(row):
            return reader
    known = "; ".join(", ".join(keys) for keys, _ in _READERS)
    raise ForageError(f"it has the columns {', '.join(map(str, row))}, and a known format has: {known}.")


def _lm_eval(row: Row, columns: SampleColumns) -> list[ExternalSample]:
    """One verdict per row; of several responses each is compared with the target, as exact_match does."""
    problem = _text(row.get("doc_hash", row["doc_id"]))
    first = row["filtered_resps"][0]
    responses = first if isinstance(first, list) and row.get("resps") == row["filtered_resps"] else [first]
    metrics = row.get("metrics", ())
    name = columns.verdict or _only([m for m in metrics if isinstance(row.get(m), int | float)])
    if len(responses) == 1:
        return [ExternalSample(problem, _text(responses[0]), _verdict(row[name], columns), _mode(row, columns))]
    if name != "exact_match":
        raise ForageError(
            f"it holds {len(responses)} responses and one value of {name} for all of them, which does not say which of "
            "them are right. Log them one by one, or score by exact_match."
        )
    right = [_text(response).strip() == str(row["target"]).strip() for response in responses]
    return [
        ExternalSample(problem, _text(response), known, _text(response))
        for response, known in zip(responses, right, strict=True)
    ]


def _inspect(row: Row, columns: SampleColumns) -> list[ExternalSample]:
    """Scorers say C and I, P for a part, N for no answer; or a number."""
    scores = row["scores"]
    if row.get("error") or not scores:
        return [ExternalSample(_text(row["id"]), "", None)]
    score = scores[columns.verdict or _only(list(scores))]
    value, answer = score["value"], score.get("answer")
    known = {"C": True, "I": False, "P": False, "N": False}
    correct = known[value] if value in known else _verdict(value, columns)
    return [ExternalSample(_text(row["id"]), _text(answer or ""), correct, None if answer is None else _text(answer))]


def _verl(row: Row, columns: SampleColumns) -> list[ExternalSample]:
    name = columns.verdict or ("acc" if "acc" in row else "score")
    mode = _mode(row, columns) if columns.mode else row.get("pred")
    verdict = _verdict(row[name], columns)
    return [ExternalSample(_text(row["input"]), _text(row["output"]), verdict, None if mode is None else _text(mode))]


def _open_instruct(row: Row, columns: SampleColumns) -> list[ExternalSample]:
    """The file holds tokens, not texts: siblings share the step and the number of their prompt."""
    problem = f"step {row['step']}, prompt {row['prompt_idx']}"
    return [ExternalSample(problem, "", _verdict(row[columns.verdict or "reward"], columns), _mode(row, columns))]


def _trl(row: Row, columns: SampleColumns) -> list[ExternalSample]:
    rewards = [name for name, value in row.items() if name not in TRL_COLUMNS and _is_number(value)]
    name = columns.verdict or _only(rewards)
    return [_plain(row, "prompt", "completion", name, columns)]


def _table(row: Row, columns: SampleColumns) -> list[ExternalSample]:
    """Any table: prime-rl's rollouts, results of verifiers, samples of one's own."""
    problem = next((key for key in ("problem", "example_id", "prompt", "question") if key in row), None)
    text = next((key for key in ("response", "completion", "text", "output") if key in row), None)
    verdict = columns.verdict or next((key for key in ("correct", "reward", "score") if key in row), None)
    if problem is None or verdict is None:
        raise ForageError(
            "it needs a column problem, example_id, prompt or question, and one of correct, reward or score."
        )
    return [_plain(row, problem, text, verdict, columns)]


def _plain(row: Row, problem: str, text: str | None, verdict: str, columns: SampleColumns) -> ExternalSample:
    response = _text(row[text]) if text else ""
    return ExternalSample(_text(row[problem]), response, _verdict(row[verdict], columns), _mode(row, columns))


def _step(row: Row) -> int | None:
    step = row.get("step")
    return int(step) if isinstance(step, int | float) and not isinstance(step, bool) else None


def _mode(row: Row, columns: SampleColumns) -> str | None:
    name = columns.mode or ("mode" if "mode" in row else None)
    if name is None:
        return None
    if name not in row:
        raise ForageError(f"it has no column {name!r}.")
    return None if row[name] is None else _text(row[name])


def _verdict(value: Any, columns: SampleColumns) -> bool | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not _is_number(value):
        raise ForageError(f"the verdict {value!r} is neither a number nor true or false.")
    return bool(value >= columns.threshold)


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise ForageError(f"which column is the verdict? Name it (`verdict`): {', '.join(names) or 'there is none'}.")
    return names[0]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


_READERS: tuple[tuple[tuple[str, ...], Callable[[Row, SampleColumns], list[ExternalSample]]], ...] = (
    (("doc_id", "doc", "filtered_resps"), _lm_eval),
    (("id", "epoch", "scores"), _inspect),
    (("prompt_idx", "response_tokens", "reward"), _open_instruct),
    (("input", "output", "score"), _verl),
    (("prompt", "completion", "advantage", "step"), _trl),
    ((), _table),
)

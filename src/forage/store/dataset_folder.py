"""Rollouts as a folder that `datasets.load_dataset` reads, in the formats of TRL and Axolotl."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.atomic import new_directory
from forage.core.errors import ForageError
from forage.core.records import Message

Layout = Literal["sft", "preference"]
FILE = "data/train-00000-of-00001.parquet"

Prompt = str | Sequence[Message]

Texts = tuple[Mapping[str, Any], *tuple[str, ...]]
"""A rollout, whose problem is asked, and the texts of the columns behind the prompt."""

_TEXT = pa.string()
_CHAT = pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))
_COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    "sft": {"prompt": _TEXT, "completion": _TEXT},
    "preference": {"prompt": _TEXT, "chosen": _TEXT, "rejected": _TEXT},
    "stepwise": {"prompt": _TEXT, "completions": pa.list_(_TEXT), "labels": pa.list_(pa.bool_())},
}


def write_dataset(
    rollouts: Sequence[Mapping[str, Any]],
    layout: Layout,
    out: Path,
    *,
    prompts: Mapping[str, Prompt] | None = None,
) -> int:
    """Writes the folder `out`, whole or not at all, and returns its number of rows.

    "sft": prompt and completion of every response that was judged right, once for each text. "preference": prompt,
    chosen and rejected, right and wrong siblings paired in their order, each used once. What was not judged is in
    neither. `prompts` are those of the problems by their names; where they are chats all columns are lists of messages.
    Raises ForageError where `out` exists, where no row comes of the rollouts, and for responses that an environment
    answered.
    """
    if layout not in get_args(Layout):
        raise ForageError(f"Rollouts are written as {', '.join(get_args(Layout))}, not {layout!r}.")
    for row in rollouts:
        refuse_given(row)
    rows = _right(rollouts) if layout == "sft" else _pairs(rollouts)
    if not rows:
        what = "no response was judged right" if layout == "sft" else "no group holds a right and a wrong response"
        raise ForageError(f"There is nothing to write as {layout}: {what}.")
    return write_rows(rows, layout, out, prompts=prompts)


def refuse_given(rollout: Mapping[str, Any]) -> None:
    """Raises ForageError for a response that an environment wrote parts of."""
    if rollout.get("given"):
        raise ForageError(
            "These responses hold text that an environment wrote, which whoever trains on them would learn to write. "
            "The rollout files of the run say which tokens it is (`given`)."
        )


def write_rows(rows: Sequence[Texts], layout: Layout, out: Path, *, prompts: Mapping[str, Prompt] | None = None) -> int:
    """Writes the folder `out` with the prompt of each rollout and its texts in the columns of `layout`.

    `prompts`: see `write_dataset`. Returns the number of rows. Raises ForageError where `out` exists.
    """
    known = prompts or {}
    asked = [known.get(rollout.get("problem", ""), rollout["prompt"]) for rollout, *_ in rows]
    if any(isinstance(prompt, str) for prompt in asked):
        values = [(rollout["prompt"], *texts) for rollout, *texts in rows]
        kind = None
    else:
        values = [
            ([_turn(message) for message in prompt], *([_turn(Message("assistant", text))] for text in texts))
            for prompt, (_, *texts) in zip(cast(Sequence[Sequence[Message]], asked), rows, strict=True)
        ]
        kind = _CHAT
    _write([dict(zip(_COLUMNS[layout], row, strict=True)) for row in values], layout, out, kind=kind)
    return len(rows)


def _turn(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def write_stepwise(solutions: Sequence[Mapping[str, Any]], out: Path) -> int:
    """Writes the folder `out` of solutions with `prompt`, `completions` (the steps) and `labels` (whether each is
    right), and returns their number. Raises ForageError where `out` exists, and where there is none.
    """
    if not solutions:
        raise ForageError("There is nothing to write as stepwise: no solution has a label for each of its steps.")
    _write(solutions, "stepwise", out)
    return len(solutions)


def _write(rows: Sequence[Mapping[str, Any]], layout: str, out: Path, *, kind: pa.DataType | None = None) -> None:
    if out.exists():
        raise ForageError(f"{out} exists already; nothing in it was changed. Name another folder.")
    schema = pa.schema([pa.field(name, kind or own, nullable=False) for name, own in _COLUMNS[layout].items()])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), buffer, compression="zstd")
    with new_directory(out) as temporary:
        (temporary / FILE).parent.mkdir()
        (temporary / FILE).write_bytes(buffer.getvalue())


def _right(rollouts: Sequence[Mapping[str, Any]]) -> list[Texts]:
    right: dict[tuple[str, str], Texts] = {}
    for row in rollouts:
        if row["correct"] >= 0.5:
            right.setdefault((row["prompt"], row["text"]), (row, row["text"]))
    return list(right.values())


def _pairs(rollouts: Sequence[Mapping[str, Any]]) -> list[Texts]:
    groups: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for row in rollouts:
        groups.setdefault((row["step"], row["group"]), []).append(row)
    pairs: dict[tuple[str, str, str], Texts] = {}
    for members in groups.values():
        right = [row["text"] for row in members if row["correct"] >= 0.5]
        wrong = [row["text"] for row in members if row["correct"] < 0.5]
        for good, bad in zip(right, wrong, strict=False):
            pairs.setdefault((members[0]["prompt"], good, bad), (members[0], good, bad))
    return list(pairs.values())

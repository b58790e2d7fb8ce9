"""Rollouts as a folder that `datasets.load_dataset` reads, in the formats of TRL and Axolotl."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.atomic import new_directory
from forage.core.errors import ForageError

Layout = Literal["sft", "preference"]
FILE = "data/train-00000-of-00001.parquet"

_SCHEMAS: Mapping[Layout, tuple[str, ...]] = {
    "sft": ("prompt", "completion"),
    "preference": ("prompt", "chosen", "rejected"),
}


def write_dataset(rollouts: Sequence[Mapping[str, Any]], layout: Layout, out: Path) -> int:
    """Writes the folder `out`, whole or not at all, and returns its number of rows.

    "sft": prompt and completion of every response that was judged right, once for each text. "preference": prompt,
    chosen and rejected, right and wrong siblings paired in their order, each used once. What was not judged is in
    neither. Raises ForageError where `out` exists, and where no row comes of the rollouts.
    """
    if layout not in get_args(Layout):
        raise ForageError(f"Rollouts are written as {', '.join(get_args(Layout))}, not {layout!r}.")
    if out.exists():
        raise ForageError(f"{out} exists already; nothing in it was changed. Name another folder.")
    rows = _right(rollouts) if layout == "sft" else _pairs(rollouts)
    if not rows:
        what = "no response was judged right" if layout == "sft" else "no group holds a right and a wrong response"
        raise ForageError(f"There is nothing to write as {layout}: {what}.")
    names = _SCHEMAS[layout]
    schema = pa.schema([pa.field(name, pa.string(), nullable=False) for name in names])
    table = pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)}, schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    with new_directory(out) as temporary:
        (temporary / FILE).parent.mkdir()
        (temporary / FILE).write_bytes(buffer.getvalue())
    return len(rows)


def _right(rollouts: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys((row["prompt"], row["text"]) for row in rollouts if row["correct"] >= 0.5))


def _pairs(rollouts: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    groups: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for row in rollouts:
        groups.setdefault((row["step"], row["group"]), []).append(row)
    pairs: list[tuple[str, ...]] = []
    for members in groups.values():
        right = [row["text"] for row in members if row["correct"] >= 0.5]
        wrong = [row["text"] for row in members if row["correct"] < 0.5]
        pairs += [(members[0]["prompt"], good, bad) for good, bad in zip(right, wrong, strict=False)]
    return list(dict.fromkeys(pairs))

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

_TEXT = pa.string()
_COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    "sft": {"prompt": _TEXT, "completion": _TEXT},
    "preference": {"prompt": _TEXT, "chosen": _TEXT, "rejected": _TEXT},
    "stepwise": {"prompt": _TEXT, "completions": pa.list_(_TEXT), "labels": pa.list_(pa.bool_())},
}


def write_dataset(rollouts: Sequence[Mapping[str, Any]], layout: Layout, out: Path) -> int:
    """Writes the folder `out`, whole or not at all, and returns its number of rows.

    "sft": prompt and completion of every response that was judged right, once for each text. "preference": prompt,
    chosen and rejected, right and wrong siblings paired in their order, each used once. What was not judged is in
    neither. Raises ForageError where `out` exists, where no row comes of the rollouts, and for responses that an
    environment answered.
    """
    if layout not in get_args(Layout):
        raise ForageError(f"Rollouts are written as {', '.join(get_args(Layout))}, not {layout!r}.")
    if any(row.get("given") for row in rollouts):
        raise ForageError(
            "These responses hold text that an environment wrote, which whoever trains on them would learn to write. "
            "The rollout files of the run say which tokens it is (`given`)."
        )
    rows = _right(rollouts) if layout == "sft" else _pairs(rollouts)
    if not rows:
        what = "no response was judged right" if layout == "sft" else "no group holds a right and a wrong response"
        raise ForageError(f"There is nothing to write as {layout}: {what}.")
    _write([dict(zip(_COLUMNS[layout], row, strict=True)) for row in rows], layout, out)
    return len(rows)


def write_stepwise(solutions: Sequence[Mapping[str, Any]], out: Path) -> int:
    """Writes the folder `out` of solutions with `prompt`, `completions` (the steps) and `labels` (whether each is
    right), and returns their number. Raises ForageError where `out` exists, and where there is none.
    """
    if not solutions:
        raise ForageError("There is nothing to write as stepwise: no solution has a label for each of its steps.")
    _write(solutions, "stepwise", out)
    return len(solutions)


def _write(rows: Sequence[Mapping[str, Any]], layout: str, out: Path) -> None:
    if out.exists():
        raise ForageError(f"{out} exists already; nothing in it was changed. Name another folder.")
    schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _COLUMNS[layout].items()])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), buffer, compression="zstd")
    with new_directory(out) as temporary:
        (temporary / FILE).parent.mkdir()
        (temporary / FILE).write_bytes(buffer.getvalue())


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

"""The responses of a step as a Parquet file: one row per rollout, one list entry per response token."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.atomic import write_file
from forage.core.errors import ForageError

SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64()),  # counts from 1
        pa.field("problem", pa.string()),  # id
        pa.field("prompt", pa.string()),  # as the model read it
        pa.field("group", pa.int64()),  # siblings share it
        pa.field("sibling", pa.int64()),  # counts from 0 in the group
        pa.field("prefix", pa.list_(pa.int32())),  # tokens of the start: not the policy's own
        pa.field("text", pa.string()),  # what the verifier read, prefix included
        pa.field("pieces", pa.list_(pa.string())),  # the text of each token
        pa.field("tokens", pa.list_(pa.int32())),
        pa.field("given", pa.list_(pa.list_(pa.int32()))),  # half-open spans of the tokens that an environment wrote
        pa.field("logprobs", pa.list_(pa.float32())),  # under the sampler
        pa.field("entropies", pa.list_(pa.float32())),  # nats, full vocabulary
        pa.field("advantages", pa.list_(pa.float32())),  # as settled at sampling
        pa.field("values", pa.list_(pa.float32())),  # of the state before each token; NaN, or empty, where not known
        pa.field("reward", pa.float64()),  # NaN: could not be judged
        pa.field("correct", pa.float64()),
        pa.field("mode", pa.string()),  # of a correct response, where the task names modes
        pa.field("stop", pa.string()),  # "eos" or "length"
    ]
)
"""Columns of a rollout file. Per-token numbers are float32, as the learner sees them."""

_SURROGATE = re.compile("[\ud800-\udfff]")

LATER = ("given", "values", "mode")
"""Columns that older files lack, of lists or of what may be unknown."""


def write_rollouts(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows whose keys are the names of `SCHEMA`. Raises ForageError where the disk refuses.

    Lone surrogates in texts become U+FFFD, since the file holds UTF-8.
    """
    for row in rows:
        if set(row) != set(SCHEMA.names):
            raise ValueError(f"a rollout row has the columns {sorted(row)}, not {sorted(SCHEMA.names)}")
    columns = {name: [_storable(row[name]) for row in rows] for name in SCHEMA.names}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=SCHEMA), buffer, compression="zstd", write_page_checksum=True)
    write_file(path, buffer.getvalue())


def read_rollouts(path: Path) -> list[dict[str, Any]]:
    """The rows of a rollout file. Raises ForageError, naming the file, where it is damaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ForageError(f"The rollouts in {path} cannot be read: {reason}. Delete the file.") from error
    for name in LATER:
        if name not in table.column_names:
            place, column = SCHEMA.get_field_index(name), SCHEMA.field(name)
            unknown = [[] if pa.types.is_list(column.type) else None] * len(table)
            table = table.add_column(place, column, pa.array(unknown, column.type))
    if not table.schema.equals(SCHEMA):
        raise ForageError(f"The columns of {path} are not those of a rollout file. Delete the file.")
    return table.to_pylist()


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [_SURROGATE.sub("\ufffd", piece) for piece in value]
    return value

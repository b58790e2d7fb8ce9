"""The correct responses in a cache of samples: what can be learned from an evaluation's texts."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.errors import ForageError


def correct_responses(samples: Path) -> Iterator[str]:
    """The texts of all correct samples below `samples` (the `evals/samples` of a run or model folder), in file order.

    Raises ForageError, naming the file, for one that cannot be read.
    """
    for path in sorted(samples.rglob("*.parquet")):
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                table = file.read(columns=["text", "correct"])
        except (OSError, ValueError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise ForageError(f"The samples in {path} cannot be read: {reason}. Delete the file.") from error
        for text, correct in zip(table["text"].to_pylist(), table["correct"].to_pylist(), strict=True):
            if correct:
                yield text

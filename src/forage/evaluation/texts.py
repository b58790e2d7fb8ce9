"""The texts in a cache of samples, with the problems they answer: what a base model writes."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.errors import ForageError
from forage.evaluation.samples import shard_files


def sampled_texts(samples: Path, *, temperature: float = 1.0) -> Iterator[tuple[str, str]]:
    """(problem, text) of every sample below `samples` (an `evals/samples` folder) drawn at this temperature.

    In a fixed order. Raises ForageError, naming the folder, for one that cannot be read.
    """
    for about, paths in shard_files(samples):
        folder = paths[0].parent if paths else samples
        try:
            if about["params"]["temperature"] != temperature:
                continue
            for path in paths:
                with pq.ParquetFile(path, page_checksum_verification=True) as file:
                    table = file.read(columns=["problem", "text"])
                yield from zip(table["problem"].to_pylist(), table["text"].to_pylist(), strict=True)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            reason = (str(error).splitlines() or ["?"])[0]
            raise ForageError(f"The samples in {folder} cannot be read: {reason}. Delete that folder.") from error

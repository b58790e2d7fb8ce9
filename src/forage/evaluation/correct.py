"""The correct responses in a cache of samples: what can be learned from an evaluation's texts."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.serialize import decode_part
from forage.evaluation.samples import shard_files

Split = Literal["train", "test"]


def correct_responses(samples: Path, split: Split = "train") -> Iterator[str]:
    """The texts of all correct samples of a split below `samples` (the `evals/samples` of a folder), in file order.

    A cache of the first format does not name its split: there the problems of its task decide. Raises ForageError,
    naming the file, for one that cannot be read or whose split is not known.
    """
    for about, paths in shard_files(samples):
        named_split = about.get("split")
        if named_split not in (None, split):
            continue
        for path in paths:
            try:
                with pq.ParquetFile(path, page_checksum_verification=True) as file:
                    table = file.read(columns=["problem", "text", "correct"])
            except (OSError, ValueError, pa.ArrowException) as error:
                reason = str(error).splitlines()[0]
                raise ForageError(f"The samples in {path} cannot be read: {reason}. Delete the file.") from error
            fitting = None if named_split else _problems(about, split, path.parent)
            for problem, text, correct in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
                if correct and (fitting is None or problem in fitting):
                    yield text


def _problems(about: Mapping[str, Any], split: Split, folder: Path) -> frozenset[str]:
    try:
        return _names(decode_part(about["task"], Task), split)
    except (ForageError, KeyError, TypeError) as error:
        raise ForageError(
            f"The samples in {folder} do not say whether they answer training or test problems, and their task cannot "
            f"be read ({error}). Delete that folder and sample again."
        ) from error


@cache
def _names(task: Task, split: Split) -> frozenset[str]:
    return frozenset(problem.id for problem in task.problems(split))

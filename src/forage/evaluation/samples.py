"""Samples on disk: the cache that makes an evaluation resumable and lets any later one reuse its samples.

A shard holds `group_size` consecutive samples of each of a few problems, in one Parquet file that is written whole or not
at all. Its name says what it holds (a hash of the problems, and which samples), and its folder what was sampled (a hash
of checkpoint, task, sampling settings and seed), so a shard is either exactly what is wanted or never found. Page
checksums and a check of every row's place find damaged files; those are sampled again.
"""

import hashlib
import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.records import Problem

FORMAT = "forage samples 1"

SCHEMA = pa.schema(
    [
        pa.field("problem", pa.string(), nullable=False),
        pa.field("sample", pa.int64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("entropy", pa.float64(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("judged", pa.bool_(), nullable=False),
        pa.field("correct", pa.bool_(), nullable=False),
        pa.field("committed", pa.bool_(), nullable=False),
        pa.field("answer", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One response and its verdict.

    `sample` counts from 0 within the problem; `length` is in tokens and `entropy` the sum of the tokens' entropies in
    nats; `truncated`: cut by the length limit. `correct`, `committed` and `answer` (canonical; None: no answer) are
    False, False and None where `judged` is False.
    """

    problem: str
    sample: int
    text: str
    length: int
    entropy: float
    truncated: bool
    judged: bool
    correct: bool
    committed: bool
    answer: str | None


@dataclass(frozen=True, slots=True)
class Shard:
    """Samples `first` to `first + siblings - 1` of each of the problems: sampled, judged and written at once."""

    problems: tuple[Problem, ...]
    first: int
    group_size: int

    @property
    def name(self) -> str:
        """Does not depend on `group_size`: a shard with more samples serves where fewer are wanted."""
        digest = hashlib.blake2b(digest_size=8)
        for problem in self.problems:
            digest.update(repr((problem.id, problem.prompt, problem.answer)).encode("utf-8", "backslashreplace"))
        return f"{digest.hexdigest()}-{self.first:06d}.parquet"

    def __len__(self) -> int:
        return len(self.problems) * self.group_size


@dataclass(frozen=True, slots=True)
class SampleCache:
    """The folder of one checkpoint, task, sampling setting and seed."""

    directory: Path

    @classmethod
    def open(cls, root: Path, identity: Mapping[str, Any]) -> "SampleCache":
        """Opens or creates the folder for `identity` (JSON), which is written beside the shards for people to read."""
        text = json.dumps({"format": FORMAT, **identity}, sort_keys=True, indent=1)
        directory = root / hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        if not (directory / "about.json").exists():
            write_file(directory / "about.json", text.encode())
        return cls(directory)

    def read(self, shard: Shard) -> tuple[tuple[Sample, ...], float] | None:
        """The shard's samples, problem by problem, and the seconds they took; None where they must be sampled.

        A damaged file is reported by a warning and counts as missing.
        """
        path = self.directory / shard.name
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                table = file.read()
            if not table.schema.equals(SCHEMA):
                return self._damaged(path, "its columns are not those of a sample table")
            samples = [Sample(**row) for row in table.to_pylist()]
            seconds = float((table.schema.metadata or {}).get(b"seconds", b"0"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, pa.ArrowException) as error:
            return self._damaged(path, str(error).splitlines()[0])
        stored, rest = divmod(len(samples), len(shard.problems))
        expected = [
            (problem.id, sample) for problem in shard.problems for sample in range(shard.first, shard.first + stored)
        ]
        if rest or expected != [(sample.problem, sample.sample) for sample in samples]:
            return self._damaged(path, "its rows are not the expected samples")
        if stored < shard.group_size:
            return None
        wanted = (samples[start : start + shard.group_size] for start in range(0, len(samples), stored))
        return tuple(sample for problem in wanted for sample in problem), seconds * shard.group_size / stored

    def write(self, shard: Shard, samples: Sequence[Sample], seconds: float) -> None:
        """Stores the samples of a shard, problem by problem. Raises ForageError where the disk refuses."""
        columns = {name: [getattr(sample, name) for sample in samples] for name in SCHEMA.names}
        table = pa.table(columns, schema=SCHEMA.with_metadata({"seconds": repr(seconds)}))
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
        write_file(self.directory / shard.name, buffer.getvalue())

    def _damaged(self, path: Path, reason: str) -> None:
        warnings.warn(f"The cached samples in {path} are damaged ({reason}); sampling them again.", stacklevel=3)


def shards(problems: Sequence[Problem], n: int, *, problems_per_shard: int, group_size: int) -> Iterator[Shard]:
    """Cuts P problems x n samples into shards: block by block of problems, and within a block in sample order.

    The cuts depend on neither n nor on what is cached, apart from the end of the last one, so that a larger n continues
    where a smaller one stopped, and a resumed run samples in the very batches of an uninterrupted one.
    """
    if n < 1 or not problems:
        raise ForageError(f"An evaluation needs at least one problem and one sample, not {len(problems)} and {n}.")
    for start in range(0, len(problems), problems_per_shard):
        block = tuple(problems[start : start + problems_per_shard])
        for first in range(0, n, group_size):
            yield Shard(block, first, min(group_size, n - first))


def storable(text: str) -> str:
    """The text with lone surrogates replaced: Parquet holds UTF-8, and one of them would make a shard unwritable."""
    return text.encode("utf-8", "replace").decode()

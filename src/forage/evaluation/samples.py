"""Samples on disk: the cache that makes an evaluation resumable and lets any later one reuse its samples.

A shard holds `group_size` consecutive samples of each of a few problems, in one Parquet file that is written whole or
not at all. Its name says what it holds (hashes of the questions and of their answers, and which samples). A folder
stands
for what decides the texts (checkpoint, sampling settings, seed), and a folder in it for what decides the verdicts, so a
shard is either exactly what is wanted or never found; where only the verdicts are missing, the texts are judged again.
Page checksums and a check of every row's place find damaged files; those are sampled again.
"""

import hashlib
import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.records import Problem

FORMAT = "forage samples 2"
FORMAT_1 = "forage samples 1"
"""One folder for all: what was sampled, and the task, but not with which stop texts, numbers and limits."""

ABOUT, JUDGED = "about.json", "judged.json"

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
        pa.field("mode", pa.string()),
    ]
)


MODE = SCHEMA.field("mode")
"""The one column that older files lack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One response and its verdict.

    `sample` counts from 0 within the problem; `length` is in tokens and `entropy` the sum of the tokens' entropies in
    nats; `truncated`: cut by the length limit. `correct`, `committed` and `answer` (canonical; None: no answer) are
    False, False and None where `judged` is False. `mode` names the way of a correct one, where the task does.
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
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """Samples `first` to `first + siblings - 1` of each of the problems: sampled, judged and written at once."""

    problems: tuple[Problem, ...]
    first: int
    group_size: int

    @property
    def name(self) -> str:
        """Does not depend on `group_size`: a shard with more samples serves where fewer are wanted."""
        return f"{self.asked}-{_hash([problem.answer for problem in self.problems])}.parquet"

    @property
    def asked(self) -> str:
        """The beginning of the name, which the answers do not decide."""
        return f"{_hash([(problem.id, problem.prompt) for problem in self.problems])}-{self.first:06d}"

    @property
    def name_1(self) -> str:
        """What a shard was called in the first format."""
        parts = [(problem.id, problem.prompt, problem.answer) for problem in self.problems]
        return f"{_hash(parts)}-{self.first:06d}.parquet"

    def __len__(self) -> int:
        return len(self.problems) * self.group_size


@dataclass(frozen=True, slots=True)
class SampleCache:
    """The folder of one way to sample and, in it, of one way to judge."""

    directory: Path

    @classmethod
    def at(cls, root: Path, sampled: Mapping[str, Any], judged: Mapping[str, Any]) -> "SampleCache":
        """The folder for what decides the texts and what decides the verdicts (JSON), whether it exists or not."""
        return cls(root / _folder(_about(sampled)) / _folder(_about(judged)))

    @classmethod
    def open(
        cls, root: Path, sampled: Mapping[str, Any], judged: Mapping[str, Any] = MappingProxyType({})
    ) -> "SampleCache":
        """The folder of `at`, created, with both written into it for people and programs to read."""
        cache = cls.at(root, sampled, judged)
        for file, identity in ((cache.directory.parent / ABOUT, sampled), (cache.directory / JUDGED, judged)):
            if not file.exists():
                write_file(file, _about(identity).encode())
        return cache

    def read(self, shard: Shard) -> tuple[tuple[Sample, ...], float] | None:
        """The shard's samples, problem by problem, and the seconds they took; None where they must be sampled.

        A damaged file is reported by a warning and counts as missing.
        """
        return self._read(self.directory / shard.name, shard)

    def drawn(self, shard: Shard) -> tuple[tuple[Sample, ...], float] | None:
        """As `read`, with verdicts that somebody else gave: the texts only are what is wanted."""
        for path in sorted(self.directory.parent.glob(f"*/{shard.asked}-*.parquet")):
            if path != self.directory / shard.name and (content := self._read(path, shard)) is not None:
                return content
        return None

    def _read(self, path: Path, shard: Shard) -> tuple[tuple[Sample, ...], float] | None:
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                table = file.read()
            if MODE.name not in table.column_names:
                table = table.append_column(MODE, pa.nulls(len(table), MODE.type))
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


def read_format_1(root: Path, identity: Mapping[str, Any], shard: Shard) -> tuple[Sample, ...] | None:
    """A shard that was stored before texts and verdicts had folders of their own; None where there is none."""
    text = json.dumps({"format": FORMAT_1, **identity}, sort_keys=True, indent=1)
    directory = root / _folder(text)
    content = SampleCache(directory)._read(directory / shard.name_1, shard)
    return None if content is None else content[0]


def shard_files(root: Path) -> Iterator[tuple[dict[str, Any], list[Path]]]:
    """What was sampled (`about.json`) and its shards, of every folder below `root`, in a fixed order.

    Of shards that were judged more than once the verdicts that were written last count. Raises ForageError for a
    folder that does not say what it holds.
    """
    for about in sorted(root.glob(f"*/{ABOUT}")):
        try:
            identity = dict(json.loads(about.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise ForageError(f"The samples in {about.parent} cannot be read: {error}. Delete that folder.") from error
        newest: dict[str, Path] = {path.name: path for path in about.parent.glob("*.parquet")}
        for path in sorted(about.parent.glob("*/*.parquet"), key=lambda path: (path.stat().st_mtime_ns, str(path))):
            newest[path.name.rpartition("-")[0]] = path
        yield identity, sorted(newest.values())


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


def _about(identity: Mapping[str, Any]) -> str:
    return json.dumps({"format": FORMAT, **identity}, sort_keys=True, indent=1)


def _folder(about: str) -> str:
    return hashlib.blake2b(about.encode(), digest_size=12).hexdigest()


def _hash(parts: Sequence[Any]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(repr(part).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def storable(text: str) -> str:
    """The text with lone surrogates replaced: Parquet holds UTF-8, and one of them would make a shard unwritable."""
    return text.encode("utf-8", "replace").decode()

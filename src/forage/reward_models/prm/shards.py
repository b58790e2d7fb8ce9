"""Step labels on disk while they are made: one file for every block of work, and which blocks are whose.

A finished block is on disk before the next begins. Its name says what it holds (a hash), and its folder what it was
sampled with, so a block is either exactly what is wanted or never found. Blocks do not depend on how the work is shared
out, so any number of processes or machines end with the same bits.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.reward_models.prm.labels import LabeledSolution

FORMAT = "forage step labels 1"


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the work that one process does: block i, i + n, i + 2n, ... of all, counted from 1."""

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ForageError(f"A shard is i/n with i from 1 to n, as in 2/4, not {self.number}/{self.of}.")

    @classmethod
    def parse(cls, text: str) -> "Share":
        """`2/4` is the second of four. Raises ForageError for anything else."""
        first, slash, second = text.partition("/")
        if not (slash and first.isdecimal() and second.isdecimal()):
            raise ForageError(f"A shard is i/n, as in 2/4, not {text!r}.")
        return cls(int(first), int(second))

    def has(self, block: int) -> bool:
        return block % self.of == self.number - 1


def block_directory(shards: Path, identity: Mapping[str, Any]) -> Path:
    """The folder for blocks that were sampled with `identity` (JSON). Raises ForageError where it cannot be made."""
    text = json.dumps({"format": FORMAT, **identity}, sort_keys=True, indent=1)
    directory = shards / hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ForageError(f"{directory} cannot be made: {error.strerror or error}.") from error
    write_file(directory / "about.json", text.encode())
    return directory


def block_name(items: Sequence[Any]) -> str:
    """A file name from what `repr` says of the items."""
    digest = hashlib.blake2b(digest_size=8)
    for item in items:
        digest.update(repr(item).encode("utf-8", "backslashreplace"))
    return f"{digest.hexdigest()}.jsonl"


def to_jsonl(solutions: Sequence[LabeledSolution]) -> bytes:
    return "".join(json.dumps(solution.to_json(), ensure_ascii=False) + "\n" for solution in solutions).encode()


def write_block(path: Path, solutions: Sequence[LabeledSolution]) -> None:
    content = to_jsonl(solutions)
    write_file(path, f"{_checksum(content)}\n".encode() + content)


def read_block(path: Path) -> list[LabeledSolution] | None:
    """A finished block; None where it must be sampled. A damaged one is reported by a warning."""
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if checksum != _checksum(content).encode():
        warnings.warn(f"The step labels in {path} are damaged; sampling them again.", stacklevel=3)
        return None
    return [LabeledSolution.from_json(json.loads(line)) for line in content.decode().split("\n") if line]


def _checksum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()

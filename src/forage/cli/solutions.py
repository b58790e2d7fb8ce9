"""Correct solutions, wherever they lie: in a run, in the samples of an evaluation, or in a file."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.evaluation.correct import Split, correct_responses
from forage.evaluation.names import sample_folders
from forage.store.run_directory import RunDirectory

FIELDS = ("solution", "text", "response", "completion")
"""The keys of a JSONL row under which a solution is looked for, in this order."""


def correct_solutions(path: Path, split: Split = "train") -> Iterator[str]:
    """The correct solutions in a run directory, a model folder or a file, one after the other.

    A run directory gives the correct responses in its rollouts; a run without rollouts and a model folder give those
    in their evaluation samples of the `split`: what is learned from test solutions knows the test. A `.jsonl` file has
    one object per line with the solution under one of `FIELDS`; rows whose `correct` is false (or below 1) are left
    out. Any other file has one solution per line. Raises ForageError that says what is missing.
    """
    if path.is_dir():
        return _of_directory(path, split)
    if not path.is_file():
        raise ForageError(f"{path} does not exist. Name a run directory, a model folder, or a file of solutions.")
    return _of_jsonl(path) if path.suffix == ".jsonl" else _lines(path)


def _of_directory(path: Path, split: Split) -> Iterator[str]:
    if (path / "recipe.json").is_file():
        run = RunDirectory.open(path)
        if split == "train" and (steps := run.rollout_steps()):
            return (row["text"] for step in steps for row in run.rollouts(step) if row["correct"] == 1)
    caches = [cache for cache in sample_folders(path) if any(cache.rglob("*.parquet"))]
    if not caches:
        raise ForageError(
            f"{path} has neither rollouts nor evaluation samples. Sample it first: forage eval {path} --split {split}"
        )
    return _of_caches(path, caches, split)


def _of_caches(path: Path, caches: Sequence[Path], split: Split) -> Iterator[str]:
    correct = 0
    for cache in caches:
        for text in correct_responses(cache, split):
            correct += 1
            yield text
    if not correct:
        raise ForageError(
            f"{path} holds no correct sample of a {split} problem. Sample it: forage eval {path} --split {split}"
        )


def _of_jsonl(path: Path) -> Iterator[str]:
    for number, line in enumerate(_lines(path), 1):
        try:
            row: Any = json.loads(line)
        except ValueError as error:
            raise ForageError(f"Line {number} of {path} is not JSON: {error}.") from None
        texts = [row[key] for key in FIELDS if isinstance(row.get(key), str)] if isinstance(row, dict) else []
        if not texts:
            raise ForageError(f"Line {number} of {path} has no solution: it needs a text under {', '.join(FIELDS)}.")
        if row.get("correct", True) == 1:
            yield texts[0]


def _lines(path: Path) -> Iterator[str]:
    """The lines that hold something."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except UnicodeDecodeError as error:
        raise ForageError(f"{path} is not a text file in UTF-8: {error}.") from None

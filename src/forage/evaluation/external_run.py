"""What another trainer left behind, as a run that can be analyzed and reported: samples by step, and metrics.

It holds texts and no tokens: words with the blanks before them stand for tokens, so lengths count words, and entropies,
log-probabilities and advantages are unknown (NaN).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.evaluation.external import PLAIN, ExternalSample, SampleColumns, read_samples
from forage.evaluation.external_metrics import is_verl_log, read_metrics

SUFFIXES = (".parquet", ".jsonl", ".eval")
COMPLETIONS = "completions"
"""Where TRL writes them, below its output folder."""

WORD = re.compile(r"\s*\S+|\s+\Z")


@dataclass(frozen=True, kw_only=True)
class ExternalRun:
    """`path` is a file of samples or a folder of them; `files` are those that are read, in order."""

    path: Path
    files: tuple[Path, ...]
    columns: SampleColumns = PLAIN

    @classmethod
    def open(cls, path: Path, columns: SampleColumns = PLAIN) -> "ExternalRun":
        """Raises ForageError where no samples lie there."""
        files = (path,) if path.is_file() else sample_files(path)
        if not files:
            raise ForageError(f"{path} holds no samples of a known tool (see docs/adapters/others.md).")
        return cls(path=path, files=files, columns=columns)

    @cached_property
    def samples(self) -> Mapping[int, Sequence[ExternalSample]]:
        """By step, in order; 0 where a file does not say of which step its samples are."""
        by_step: dict[int, list[ExternalSample]] = {}
        for file in self.files:
            for sample in read_samples(file, self.columns):
                by_step.setdefault(sample.step or 0, []).append(sample)
        return dict(sorted(by_step.items()))

    def rollout_steps(self) -> list[int]:
        return list(self.samples)

    def rollouts(self, step: int) -> list[dict[str, Any]]:
        """Rows with the columns of a run's rollouts. Raises ForageError for a step that is not there."""
        if step not in self.samples:
            known = ", ".join(map(str, self.samples))
            raise ForageError(f"{self.path} has no samples of step {step}, only of: {known}.")
        groups: dict[str, int] = {}
        return [
            _row(sample, step, groups.setdefault(sample.problem, len(groups)), number)
            for number, sample in enumerate(self.samples[step])
        ]

    def metrics(self) -> list[dict[str, Any]]:
        """Those that lie in the folder, under this package's names; none beside a single file."""
        return read_metrics(self.path) if self.path.is_dir() else []

    def recipe(self) -> dict[str, Any]:
        return {}


def sample_files(folder: Path) -> tuple[Path, ...]:
    """The samples in a folder of another trainer, or in its `completions`; () for anything else."""
    if not folder.is_dir() or (folder / "recipe.json").exists() or (folder / "config.json").exists():
        return ()
    place = folder / COMPLETIONS if (folder / COMPLETIONS).is_dir() else folder
    files = (path for path in place.iterdir() if path.is_file() and path.suffix in SUFFIXES)
    named = [path for path in files if _holds_samples(path)]
    return tuple(sorted(named, key=lambda path: [int(part) for part in re.findall(r"\d+", path.stem)]))


def _holds_samples(path: Path) -> bool:
    return not (path.suffix == ".jsonl" and is_verl_log(path))


def _row(sample: ExternalSample, step: int, group: int, number: int) -> dict[str, Any]:
    pieces = WORD.findall(sample.text)
    unknown = [math.nan] * len(pieces)
    verdict = math.nan if sample.correct is None else float(sample.correct)
    return {
        "step": step,
        "problem": sample.problem,
        "prompt": sample.problem,
        "group": group,
        "sibling": number,
        "prefix": [],
        "text": sample.text,
        "pieces": pieces,
        "tokens": [],
        "given": [],
        "logprobs": unknown,
        "entropies": unknown,
        "advantages": unknown,
        "values": [],
        "reward": verdict,
        "correct": verdict,
        "mode": sample.mode,
        "stop": "eos",
    }

"""Reading what lies in the directories that a report is about, whatever is missing there."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from forage.analysis import FILE, Analysis, analysis_file
from forage.core.errors import ForageError
from forage.core.serialize import decode_part, encode_part
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.external import SampleColumns
from forage.evaluation.external_evaluation import external_evaluation
from forage.evaluation.external_run import ExternalRun, sample_files
from forage.evaluation.names import evaluation_files
from forage.report.palette import Series
from forage.store.run_directory import RunDirectory
from forage.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """One directory. `recipe` is None for a base model, and for a run whose recipe cannot be read.

    `rollouts` are those of the newest step that was written down, `valued` those of the newest one in which states were
    valued.
    """

    path: Path
    is_base: bool
    recipe: Mapping[str, Any] | None
    metrics: Sequence[Mapping[str, Any]]
    evaluations: Sequence[Evaluation]
    rollout_step: int | None
    rollouts: Sequence[Mapping[str, Any]]
    valued_step: int | None = None
    valued: Sequence[Mapping[str, Any]] = ()
    analysis: Analysis | None = None

    @property
    def seed(self) -> int | None:
        seed = (self.recipe or {}).get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(str(method) for method in (self.recipe or {}).get("methods", ()))


@dataclass(frozen=True, kw_only=True)
class RunGroup:
    """Directories that differ in nothing but the seed (a base model: one), and the series that shows them."""

    series: Series
    entries: Sequence[RunEntry]

    @property
    def label(self) -> str:
        return self.series.label

    @property
    def is_base(self) -> bool:
        return self.entries[0].is_base

    @property
    def methods(self) -> tuple[str, ...]:
        return self.entries[0].methods


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Everything a section may show. `notes` are sentences about what could not be read."""

    groups: Sequence[RunGroup]
    notes: Sequence[str]

    @property
    def trained(self) -> list[RunGroup]:
        return [group for group in self.groups if not group.is_base]

    @cached_property
    def entries(self) -> list[RunEntry]:
        return [entry for group in self.groups for entry in group.entries]


def read_entry(path: Path, notes: list[str]) -> RunEntry:
    """Reads a directory, or a file or folder of samples that another tool wrote; what is broken becomes a note.

    Raises ForageError where there is nothing to report on.
    """
    if path.is_file() or (sample_files(path) and not evaluation_files(path)):
        return _external_entry(path, notes)
    if not path.is_dir():
        raise ForageError(
            f"{path} is not a directory. Name run directories, or model folders with evaluations in evals/."
        )
    files = evaluation_files(path)
    is_run = (path / "recipe.json").exists()
    if not is_run and not files:
        raise ForageError(
            f"{path} holds neither a run (recipe.json) nor evaluations (evals/*.json), so there is nothing to report. "
            f"Train with `forage train`, or evaluate the model there with `forage eval {path}`."
        )
    recipe = metrics = step = rollouts = analysis = valued_step = valued = None
    if is_run:
        recipe = _attempt(lambda: whole(RunDirectory.open(path).recipe()), path, "the recipe", notes)
        metrics = _attempt(lambda: RunDirectory.open(path).metrics(), path, "the metrics", notes)
        step, rollouts = _last_rollouts(path, notes)
        valued_step, valued = step, rollouts
        if metrics and "replay_entries" in metrics[0]:  # it valued states in some of its steps only
            valued_step, valued = _last_rollouts(path, notes, with_values)
        if (path / FILE).exists():
            analysis = _attempt(lambda: Analysis.load(path / FILE), path, "the analysis", notes)
    evaluations = [_attempt(lambda file=file: Evaluation.load(file), file, "the evaluation", notes) for file in files]
    return RunEntry(
        path=path,
        is_base=not is_run,
        recipe=recipe,
        metrics=metrics or (),
        evaluations=[evaluation for evaluation in evaluations if evaluation is not None],
        rollout_step=step,
        rollouts=rollouts or (),
        valued_step=valued_step,
        valued=valued or (),
        analysis=analysis,
    )


def _external_entry(path: Path, notes: list[str]) -> RunEntry:
    """What lies at `path`: its last step as an evaluation, at an unknown temperature that is called 1."""
    run = ExternalRun.open(path)
    step = run.rollout_steps()[-1]
    metrics = _attempt(run.metrics, path, "the metrics", notes) or ()
    place = analysis_file(path)
    return RunEntry(
        path=path,
        is_base=not metrics,
        recipe=None,
        metrics=metrics,
        evaluations=[external_evaluation(path, SampleColumns())],
        rollout_step=step,
        rollouts=run.rollouts(step),
        analysis=_attempt(lambda: Analysis.load(place), place, "the analysis", notes) if place.exists() else None,
    )


def whole(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recipe with the settings that there were none of when it was written down, at what they were then.

    Else a run of today would not be a seed of the same thing. As it is where it cannot be read as a recipe.
    """
    try:
        return encode_part(decode_part(dict(recipe), Recipe))
    except ForageError:
        return recipe


def known_at(row: Mapping[str, Any]) -> list[int]:
    """The tokens of a rollout before which the value of the state is known."""
    return [place for place, value in enumerate(row.get("values") or ()) if not math.isnan(value)]


def with_values(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a line can be drawn along a response."""
    return any(len(known_at(row)) > 1 for row in rows)


def _last_rollouts(
    path: Path, notes: list[str], wanted: Callable[[Sequence[Mapping[str, Any]]], bool] = bool
) -> tuple[int | None, Sequence[Mapping[str, Any]] | None]:
    steps = _attempt(lambda: RunDirectory.open(path).rollout_steps(), path, "the list of rollouts", notes)
    for step in reversed(steps or []):
        rows = _attempt(
            lambda step=step: RunDirectory.open(path).rollouts(step), path, f"step {step}'s rollouts", notes
        )
        if rows and wanted(rows):
            return step, rows
    return None, None


def _attempt(read: Any, path: Path, what: str, notes: list[str]) -> Any:
    try:
        return read()
    except (ForageError, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        notes.append(f"{what[0].upper()}{what[1:]} of {path.name} could not be read and is left out: {error}")
        return None

"""Which directories are seeds of the same thing, and what to call each group."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.core.spec import without_folders
from forage.report.load import RunEntry, RunGroup, Runs, read_entry
from forage.report.palette import Series

WITHOUT_EFFECT = {
    *("seed", "engine.device", "engine.matmul", "engine.threads", "verifying.workers"),
    *("schedule.checkpoint_every", "schedule.keep_checkpoints", "schedule.rollouts_every"),
}
"""Parts of a recipe that do not decide which experiment it is: the seed, the machine, and what is written down."""


def read_runs(directories: Sequence[Path]) -> Runs:
    """Reads the directories and groups the seeds. Raises ForageError where a directory holds nothing to report."""
    if not directories:
        raise ForageError("A report needs at least one directory: a run, or a model folder with evaluations in evals/.")
    notes: list[str] = []
    distinct = list(dict.fromkeys(Path(directory).resolve() for directory in directories))
    entries = [read_entry(directory, notes) for directory in distinct]
    found: dict[str, list[RunEntry]] = defaultdict(list)
    for entry in entries:
        found[_identity(entry)].append(entry)
    members = sorted(found.values(), key=lambda group: not group[0].is_base)
    first_run = 0 if members[0][0].is_base else 1
    groups = [
        RunGroup(series=Series(key=f"s{index}", label=label, slot=index + first_run), entries=tuple(group))
        for index, (label, group) in enumerate(zip(_labels(members), members, strict=True))
    ]
    return Runs(groups=tuple(groups), notes=tuple(notes))


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested JSON as dotted name -> leaf; empty containers have none."""
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, list | tuple):
        pairs = enumerate(value)
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in pairs:
        flat.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def decisive(recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    """The leaves of a recipe that decide which experiment it is."""
    flat = flatten(recipe or {})
    return {name: leaf for name, leaf in flat.items() if name not in WITHOUT_EFFECT}


def differing(groups: Sequence[Sequence[RunEntry]]) -> list[str]:
    """Names of the leaves on which the groups' recipes differ."""
    flats = [decisive(group[0].recipe) for group in groups]
    names = dict.fromkeys(name for flat in flats for name in flat)
    return [name for name in names if len({json.dumps(flat.get(name)) for flat in flats}) > 1]


def _identity(entry: RunEntry) -> str:
    if entry.is_base or not entry.recipe:
        return f"directory {entry.path}"
    return json.dumps(decisive(entry.recipe), sort_keys=True)


def _label(entry: RunEntry) -> str:
    if entry.is_base:
        return entry.evaluations[0].label if entry.evaluations else entry.path.name
    return without_folders(" + ".join(entry.methods)) or str((entry.recipe or {}).get("name") or entry.path.name)


def _labels(groups: Sequence[Sequence[RunEntry]]) -> list[str]:
    """One name per group; groups that would share a name are told apart by what differs between them."""
    plain = [_label(group[0]) for group in groups]
    labels = []
    for label, group in zip(plain, groups, strict=True):
        rivals = [other for other, name in zip(groups, plain, strict=True) if name == label]
        labels.append(label if len(rivals) == 1 else f"{label} ({_distinction(group, rivals)})")
    repeated = {label for label in labels if labels.count(label) > 1}
    return [
        f"{label} [{group[0].path.name}]" if label in repeated else label
        for label, group in zip(labels, groups, strict=True)
    ]


def _distinction(group: Sequence[RunEntry], rivals: Sequence[Sequence[RunEntry]]) -> str:
    names = [name for name in differing(rivals) if not name.startswith("methods")]
    flat = decisive(group[0].recipe)
    told = [f"{name.rsplit('.', 1)[-1]} {flat[name]}" for name in names if name in flat]
    return ", ".join(told[:2]) or group[0].path.name

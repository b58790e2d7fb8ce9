"""Whether evaluations were made alike: what decided their texts and their verdicts, and in which of it they differ."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from forage.core.errors import ForageError
from forage.core.serialize import KEY
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.pooling import flatten, shortened

Groups = Mapping[str, Sequence[Evaluation]]
"""Label -> evaluations."""


def check_verifiers(groups: Groups) -> None:
    """Raises ForageError where evaluations were judged by different verifiers: their shares mean different things."""
    verifiers = [(label, verifier) for label, runs in groups.items() for run in runs if (verifier := _verifier(run))]
    for label, verifier in verifiers[1:]:
        first, reference = verifiers[0]
        if _differ(verifier, reference):
            raise ForageError(
                f"These evaluations were judged by different verifiers and cannot be compared ({first}: "
                f"{_shown(reference)}; {label}: {_shown(verifier)}). Judge them alike: `forage eval` with one "
                "`verifier` keeps the samples and only judges them again."
            )


def unequal_settings(groups: Groups) -> tuple[str, ...]:
    """Sentences about what differs between the evaluations, beside the policies themselves; none where nothing does."""
    runs = [run for members in groups.values() for run in members]
    notes = []
    kinds = (
        ("sampled with different settings", _sampling),
        ("judged with different settings", _judging),
        ("made with differently configured tasks", _task),
    )
    for how, leaves in kinds:
        known = [flat for run in runs if (flat := leaves(run))]
        names = [
            name
            for name in dict.fromkeys(name for flat in known for name in flat)
            if len({json.dumps(flat.get(name)) for flat in known}) > 1
        ]
        differences = [f"{name} {' / '.join(dict.fromkeys(_text(flat.get(name)) for flat in known))}" for name in names]
        if differences:
            notes.append(f"The evaluations were {how}: {shortened(differences)}. A difference may come from that.")
    if any(not run.sampled_by for run in runs) and any(run.sampled_by for run in runs):
        notes.append(
            "Some of the evaluations were made before stop texts, numbers and limits were recorded: whether these are "
            "equal is not known."
        )
    return tuple(notes)


def _sampling(run: Evaluation) -> dict[str, Any]:
    return {**asdict(run.params), **{name: value for name, value in run.sampled_by.items() if name != "matmul"}}


def _judging(run: Evaluation) -> dict[str, Any]:
    return flatten(run.judged_by)


def _task(run: Evaluation) -> dict[str, Any]:
    return flatten(dict(run.task))


def _verifier(run: Evaluation) -> Mapping[str, Any] | None:
    task = dict(run.task)
    while "verifier" not in task and isinstance(task.get("task"), Mapping):
        task = dict(task["task"])
    verifier = task.get("verifier")
    return verifier if isinstance(verifier, Mapping) else None


def _differ(first: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """By name and by the settings that both have: one of them may be older than a setting."""
    shared = (first.keys() & other.keys()) - {KEY}
    return _name(first).casefold() != _name(other).casefold() or any(first[key] != other[key] for key in shared)


def _name(verifier: Mapping[str, Any]) -> str:
    return re.split("[.:]", str(verifier.get(KEY, "?")))[-1]


def _shown(verifier: Mapping[str, Any]) -> str:
    return f"{_name(verifier)}({', '.join(f'{key}={value}' for key, value in verifier.items() if key != KEY)})"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(value)
    return "not set" if value is None else str(value)

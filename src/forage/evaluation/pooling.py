"""Which directories are seeds of the same thing, by their whole recipes, and what to call each group of them.

A comparison and a report pool by the same rule: a run with another learning rate, base model or number of steps is
never a seed of this one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forage.core.spec import without_folders

WITHOUT_EFFECT = {
    *("seed", "engine.device", "engine.matmul", "engine.threads", "verifying.workers"),
    *("schedule.checkpoint_every", "schedule.keep_checkpoints", "schedule.rollouts_every"),
}
"""Parts of a recipe that do not decide which experiment it is: the seed, the machine, and what is written down."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A directory: its name, its recipe as JSON (None: no run) and, where it is none, what distinguishes it."""

    name: str
    label: str
    recipe: Mapping[str, Any] | None = None
    identity: str = ""

    @property
    def key(self) -> str:
        return json.dumps(decisive(self.recipe), sort_keys=True) if self.recipe else f"directory {self.identity}"


def member_of_run(name: str, recipe: Mapping[str, Any]) -> Member:
    methods = " + ".join(str(method) for method in recipe.get("methods", ()))
    return Member(name=name, label=without_folders(methods) or str(recipe.get("name") or name), recipe=recipe)


def pool(members: Sequence[Member]) -> list[list[int]]:
    """The places of the members, those of one thing together, in order of first appearance."""
    groups: dict[str, list[int]] = {}
    for place, member in enumerate(members):
        groups.setdefault(member.key, []).append(place)
    return list(groups.values())


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


def differing(recipes: Sequence[Mapping[str, Any] | None]) -> list[str]:
    """Names of the leaves on which the recipes differ."""
    flats = [decisive(recipe) for recipe in recipes]
    names = dict.fromkeys(name for flat in flats for name in flat)
    return [name for name in names if len({json.dumps(flat.get(name)) for flat in flats}) > 1]


def group_labels(groups: Sequence[Member]) -> list[str]:
    """One name per group, of which a member each is given; those that would share a name are distinguished."""
    plain = [member.label for member in groups]
    labels = []
    for label, member in zip(plain, groups, strict=True):
        rivals = [other for other, name in zip(groups, plain, strict=True) if name == label]
        labels.append(label if len(rivals) == 1 else f"{label} ({_distinction(member, rivals)})")
    repeated = {label for label in labels if labels.count(label) > 1}
    return [
        f"{label} [{member.name}]" if label in repeated else label for label, member in zip(labels, groups, strict=True)
    ]


def label_notes(groups: Sequence[Member]) -> tuple[str, ...]:
    """A sentence for every label that several groups share: in what their recipes differ."""
    notes = []
    for label in dict.fromkeys(member.label for member in groups):
        rivals = [member.recipe for member in groups if member.label == label]
        if len(rivals) > 1 and all(rivals):
            flats = [decisive(recipe) for recipe in rivals]
            differences = [
                f"{name} ({', '.join(dict.fromkeys(str(flat.get(name, 'none')) for flat in flats))})"
                for name in differing(rivals)
            ]
            notes.append(
                f"{label} stands for {len(rivals)} recipes, which are not pooled: "
                f"they differ in {shortened(differences)}."
            )
    return tuple(notes)


def shortened(items: Sequence[str], most: int = 6) -> str:
    """The first few, and how many more there are."""
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def _distinction(member: Member, rivals: Sequence[Member]) -> str:
    names = [name for name in differing([rival.recipe for rival in rivals]) if not name.startswith("methods")]
    flat = decisive(member.recipe)
    parts = [f"{name.rsplit('.', 1)[-1]} {flat[name]}" for name in names if name in flat]
    return ", ".join(parts[:2]) or member.name

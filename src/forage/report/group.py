"""Which directories are seeds of the same thing, and what to call each group (`forage.evaluation.pooling`)."""

from collections.abc import Sequence
from pathlib import Path

from forage.core.errors import ForageError
from forage.evaluation.pooling import Member, group_labels, member_of_run, pool
from forage.report.load import RunEntry, RunGroup, Runs, read_entry
from forage.report.palette import Series


def read_runs(directories: Sequence[Path]) -> Runs:
    """Reads the directories and groups the seeds. Raises ForageError where a directory holds nothing to report."""
    if not directories:
        raise ForageError("A report needs at least one directory: a run, or a model folder with evaluations in evals/.")
    notes: list[str] = []
    distinct = list(dict.fromkeys(Path(directory).resolve() for directory in directories))
    entries = [read_entry(directory, notes) for directory in distinct]
    pooled = [[entries[place] for place in places] for places in pool([member_of(entry) for entry in entries])]
    members = sorted(pooled, key=lambda group: not group[0].is_base)
    firsts = [member_of(group[0]) for group in members]
    first_run = 0 if members[0][0].is_base else 1
    groups = [
        RunGroup(series=Series(key=f"s{index}", label=label, slot=index + first_run), entries=tuple(group))
        for index, (label, group) in enumerate(zip(group_labels(firsts), members, strict=True))
    ]
    return Runs(groups=tuple(groups), notes=tuple(notes))


def member_of(entry: RunEntry) -> Member:
    name = entry.path.name
    if not entry.is_base and entry.recipe:
        return member_of_run(name, entry.recipe)
    label = entry.evaluations[0].label if entry.is_base and entry.evaluations else name
    return Member(name=name, label=label, identity=str(entry.path))

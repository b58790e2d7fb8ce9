"""Tasks by the name that the command line takes."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from forage.core.protocols import Task
from forage.core.spec import parse_call
from forage.tasks.bandit import Bandit
from forage.tasks.code import TinyCode
from forage.tasks.colouring import ColoringTask
from forage.tasks.countdown import Countdown
from forage.tasks.dialogue import Dialogue
from forage.tasks.gym import parse_gym
from forage.tasks.lock import Lock
from forage.tasks.lookup import Lookup
from forage.tasks.modebench import parse_modebench
from forage.tasks.table import Table, parse_table
from forage.tasks.two_ways import TwoWays
from forage.tasks.wrapped import Wrapped

TASKS: Mapping[str, type[Task]] = {
    "countdown": Countdown,
    "colouring": ColoringTask,
    "two_ways": TwoWays,
    "lock": Lock,
    "bandit": Bandit,
    "lookup": Lookup,
    "code": TinyCode,
    "dialogue": Dialogue,
    "table": Table,
}


def parse_task(text: str) -> Task:
    """The task that a text names.

    As `countdown:size=experiment`, `gym:DATASET:...`, `modebench:DATASET:...` or `table:data=FILE,verifier=math`.
    Raises ForageError for anything else.
    """
    if text.startswith("gym:"):
        return parse_gym(text.removeprefix("gym:"))
    if text.startswith("modebench:"):
        return parse_modebench(text.removeprefix("modebench:"))

    def defaults(name: str) -> dict[str, Any]:
        return {field.name: field.default for field in fields(TASKS[name])}  # pyright: ignore[reportArgumentType]

    if text.partition(":")[0] == Table.name:
        return parse_table(text)
    name, settings = parse_call(text, "task", TASKS, defaults)
    return TASKS[name](**settings)


def file_name(task: Task, split: str) -> str:
    """What a task is called in the names of files: what it is, its data set, size or table, and how it is judged."""
    if isinstance(task, Wrapped):
        return file_name(task.task, split)
    parts = [task.name]
    if isinstance(task, Table):
        source = (task.test if split == "test" else None) or task.train
        parts += [Path(source.path).stem if source else "", task.verifier.name]
    parts += [str(vars(task)[name]) for name in ("dataset", "size", "answers", "length") if name in vars(task)]
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", part) for part in parts if part)[:80]

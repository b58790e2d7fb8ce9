"""Tasks by the name that the command line takes."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from forage.core.protocols import Task
from forage.core.spec import parse_call
from forage.tasks.code import TinyCode
from forage.tasks.countdown import Countdown
from forage.tasks.dialogue import Dialogue
from forage.tasks.gym import parse_gym
from forage.tasks.table import Table, parse_table

TASKS: Mapping[str, type[Task]] = {"countdown": Countdown, "code": TinyCode, "dialogue": Dialogue, "table": Table}


def parse_task(text: str) -> Task:
    """`countdown:size=experiment,...`, `gym:DATASET:...` or `table:data=FILE,verifier=math` as a task.

    Raises ForageError for anything else.
    """
    if text.startswith("gym:"):
        return parse_gym(text.removeprefix("gym:"))

    def defaults(name: str) -> dict[str, Any]:
        return {field.name: field.default for field in fields(TASKS[name])}  # pyright: ignore[reportArgumentType]

    if text.partition(":")[0] == Table.name:
        return parse_table(text)
    name, settings = parse_call(text, "task", TASKS, defaults)
    return TASKS[name](**settings)

"""Tasks by the name that the command line takes."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from forage.call_text import parse_call
from forage.protocols import Task
from forage.tasks.countdown import Countdown
from forage.tasks.dialogue import Dialogue

TASKS: Mapping[str, type[Task]] = {"countdown": Countdown, "dialogue": Dialogue}


def parse_task(text: str) -> Task:
    """`countdown` or `countdown:size=experiment,...` as a task. Raises ForageError for anything else."""

    def defaults(name: str) -> dict[str, Any]:
        return {field.name: field.default for field in fields(TASKS[name])}  # pyright: ignore[reportArgumentType]

    name, settings = parse_call(text, "task", TASKS, defaults)
    return TASKS[name](**settings)

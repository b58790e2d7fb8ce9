"""Any task, with an environment that answers inside of its responses."""

from dataclasses import dataclass, replace
from typing import ClassVar

from forage.core.protocols import Task
from forage.core.records import Problem, Score
from forage.core.turns import Environment
from forage.tasks.wrapped import Wrapped


@dataclass(frozen=True, kw_only=True)
class WithEnvironment(Wrapped):
    """`task`, whose responses are written in turns that `environment` answers; its own environment, if any, is silent.

    The task judges what the environment leaves of a text (`Environment.own_text`), the whole unless it says otherwise.
    """

    name: ClassVar[str] = "with_environment"

    environment: Environment

    def verify(self, problem: Problem, text: str) -> Score:
        return self.task.verify(problem, self.environment.own_text(text))

    def quick(self, problem: Problem, text: str) -> Score | None:
        return self.task.quick(problem, self.environment.own_text(text))

    def answer(self, problem: Problem, text: str) -> str | None:
        return self.task.answer(problem, self.environment.own_text(text))

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return self.task.marks_answer(problem, self.environment.own_text(text))

    def mode(self, problem: Problem, text: str) -> str | None:
        return self.task.mode(problem, self.environment.own_text(text))


def with_environment(task: Task, environment: Environment) -> WithEnvironment:
    """The task with this environment, in the place of one that it was given before."""
    if isinstance(task, WithEnvironment):
        return replace(task, environment=environment)
    return WithEnvironment(task=task, environment=environment)

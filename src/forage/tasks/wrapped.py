"""A task around another one: everything is the inner task's, but what a subclass says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from forage.core.protocols import Task
from forage.core.records import Problem, Score


@dataclass(frozen=True, kw_only=True)
class Wrapped(Task):
    """`task`, of which a subclass changes one thing. Wrappers may be wrapped."""

    task: Task

    def notes(self) -> tuple[str, ...]:
        return self.task.notes()

    @property
    def hangs(self) -> bool:
        return self.task.hangs

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return self.task.problems(split)

    def verify(self, problem: Problem, text: str) -> Score:
        return self.task.verify(problem, text)

    def prepare(self) -> None:
        self.task.prepare()

    def quick(self, problem: Problem, text: str) -> Score | None:
        return self.task.quick(problem, text)

    def answer(self, problem: Problem, text: str) -> str | None:
        return self.task.answer(problem, text)

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return self.task.marks_answer(problem, text)

    @property
    def has_modes(self) -> bool:
        return self.task.has_modes

    def mode(self, problem: Problem, text: str) -> str | None:
        return self.task.mode(problem, text)

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return self.task.step_ends(pieces)

    def oracle(self, problem: Problem, text: str) -> float | None:
        return self.task.oracle(problem, text)

    def state(self, problem: Problem, text: str) -> str | None:
        return self.task.state(problem, text)

    def reference(self, problem: Problem) -> str | None:
        return self.task.reference(problem)

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str] | None:
        return self.task.stated_answer(problem, answer)

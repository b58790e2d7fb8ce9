"""A wrapper answers everything as its inner task does; a subclass changes what it says."""

import inspect
from dataclasses import dataclass
from typing import ClassVar

from forage.core.protocols import Task
from forage.core.records import Problem
from forage.tasks.countdown import Countdown
from forage.tasks.wrapped import Wrapped


@dataclass(frozen=True, kw_only=True)
class Twice(Wrapped):
    name: ClassVar[str] = "twice"

    def mode(self, problem: Problem, text: str) -> str | None:
        inner = self.task.mode(problem, text)
        return inner and inner * 2


def test_every_method_of_a_task_is_passed_on() -> None:
    """A method that a task may override and that a wrapper does not know would silently be the default's."""
    methods = {name for name, _ in inspect.getmembers(Task, inspect.isfunction) if not name.startswith("_")}
    properties = {name for name, _ in inspect.getmembers(Task, lambda member: isinstance(member, property))}
    assert methods | properties <= set(vars(Wrapped))


def test_answers_are_those_of_the_inner_task() -> None:
    task = Countdown()
    wrapped = Twice(task=Twice(task=task))
    problem = task.problems("test")[0]
    right = task.reference(problem)
    assert right is not None
    assert wrapped.problems("test") == task.problems("test")
    assert wrapped.verify(problem, right).correct
    assert wrapped.reference(problem) == right
    assert wrapped.answer(problem, right) == task.answer(problem, right)
    assert (wrapped.hangs, wrapped.has_modes, wrapped.notes()) == (task.hangs, task.has_modes, task.notes())


def test_what_a_subclass_says_counts_and_wrappers_nest() -> None:
    task = Countdown()
    problem = task.problems("test")[0]
    right = task.reference(problem) or ""
    mode = task.mode(problem, right)
    assert mode
    assert Twice(task=Twice(task=task)).mode(problem, right) == mode * 4

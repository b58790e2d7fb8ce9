"""Which action a turn takes, for tasks in which the policy acts and an environment answers."""

from abc import ABC, abstractmethod

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem


class Acting(ABC):
    """A task whose turns take actions."""

    @abstractmethod
    def actions(self, problem: Problem, text: str) -> tuple[str | None, ...]:
        """The action of every turn of a response, the last one included; None where a turn takes no valid one."""


def acting(task: Task, what: str) -> Acting:
    """The task, or the one that it lies around (`task.task`), as one whose turns take actions.

    Raises ForageError where they take none: `what` needs them.
    """
    if isinstance(task, Acting):
        return task
    inner = getattr(task, "task", None)
    if isinstance(inner, Task):
        return acting(inner, what)
    raise ForageError(f"{what} looks at the actions of an episode, and the task {task.name} has none. Try bandit.")


def first_tries(actions: tuple[str | None, ...]) -> tuple[bool, ...]:
    """Which turns take an action that no turn before has taken: at most as many as there are actions."""
    return tuple(action is not None and action not in actions[:turn] for turn, action in enumerate(actions))

"""Environments: what answers a turn of the policy, inside of its response.

A response is then written in turns. The policy's end where it ends its text or completes one of the environment's
`turn_ends`; what the environment replies is appended, and the policy goes on behind it, under the one limit that a
response has. What the environment wrote (`core/spans.py`) is read by the policy and by the verifier, and never learned
from.
"""

from abc import ABC, abstractmethod

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem


class Environment(ABC):
    """What answers the policy's turns: a frozen dataclass, whose fields are its settings.

    `turn_ends` are texts that end a turn, beside the end of the text itself. Where the turn number `max_turns` ends and
    would be answered, the response is cut off, as it is by the limit of its length.
    """

    turn_ends: tuple[str, ...] = ()
    max_turns: int = 16

    @abstractmethod
    def reply(self, problem: Problem, text: str) -> str | None:
        """What is written behind `text`, the whole response so far, at the end of a turn; nothing where it is over.

        It must follow from the arguments alone, drawn numbers included: responses are begun again in their middle.
        """

    def own_text(self, text: str) -> str:
        """What of a response, or of the beginning of one, is judged: all of it unless this environment's words tell."""
        return text


def environment_of(task: Task) -> Environment | None:
    """The `environment` of a task, or of the one that it lies around (`task.task`); None where it has none.

    Raises ForageError for one that is no `Environment`, and for a limit of no turns.
    """
    offered, inner = getattr(task, "environment", None), getattr(task, "task", None)
    if offered is None:
        return environment_of(inner) if isinstance(inner, Task) else None
    if not isinstance(offered, Environment):
        raise ForageError(f"The environment of {task.name} is no forage.core.turns.Environment but {offered!r}.")
    if offered.max_turns < 1:
        raise ForageError(f"An environment leaves the policy at least 1 turn, not {offered.max_turns}.")
    return offered


def refuse_environment(task: Task, what: str) -> None:
    """Raises ForageError for a task with an environment: `what` would sample responses that nobody answers."""
    if environment_of(task) is not None:
        raise ForageError(f"{what} samples responses of one turn, and the task {task.name} has an environment.")

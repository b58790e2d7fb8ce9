"""Tasks whose answers can be listed: what a model knows about them needs no sampling."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from forage.core.protocols import Task
from forage.core.records import Problem


class Enumerable(Task, ABC):
    """A task that knows every response that can be right."""

    @abstractmethod
    def responses(self, problem: Problem) -> Sequence[str]:
        """The text of every response that can be right, and of any others; every other text is wrong."""

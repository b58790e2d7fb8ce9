"""Where the value of a start comes from: continuations, a critic, or the task itself. All answer the same question."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from forage.core.protocols import Task, Tools
from forage.core.records import SamplingParams, Start, StartValue


class Valuer(Protocol):
    """What are these starts worth to the policy as it is now?"""

    def __call__(self, starts: Sequence[Start]) -> tuple[StartValue, ...]:
        """One value per start, in order."""
        ...

    def store(self, start: Start, returns: Sequence[float]) -> None:
        """Takes note of what the current policy got from a start anyway, so that it need not be sampled again."""
        ...


class ValueSource(ABC):
    """How starts are valued: a frozen dataclass that opens the service for one moment of a run."""

    @abstractmethod
    def open(self, task: Task, tools: Tools, params: SamplingParams, *, seed: int) -> Valuer: ...

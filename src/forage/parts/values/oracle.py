"""Values that the task itself knows, for a control: what would perfect knowledge of the states be worth?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from forage.core.errors import ForageError
from forage.core.protocols import Task, Tools
from forage.core.records import SamplingParams, Start, StartValue
from forage.parts.values.source import Valuer, ValueSource


@dataclass(frozen=True, kw_only=True)
class TaskOracle(ValueSource):
    """The value of a start is what `Task.oracle` says. It costs no tokens, and no policy takes part in it."""

    def open(self, task: Task, tools: Tools, params: SamplingParams, *, seed: int) -> Valuer:
        return _Oracle(task, tools)


@dataclass(frozen=True)
class _Oracle(Valuer):
    task: Task
    tools: Tools

    def __call__(self, starts: Sequence[Start]) -> tuple[StartValue, ...]:
        return tuple(StartValue(self._value(start), math.nan, 1, 0) for start in starts)

    def store(self, start: Start, returns: Sequence[float]) -> None:
        """Nothing: what a policy got is no news to an oracle."""

    def _value(self, start: Start) -> float:
        value = self.task.oracle(start.problem, self.tools.codec.decode(start.prefix))
        if value is None:
            raise ForageError(
                f"The task {self.task.name} cannot say what a partial response is worth: it has no oracle. "
                "Value states by continuations instead."
            )
        return value

"""The value of a start as the critic of the run sees it: no continuation, no token, and no standard error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from forage.core.errors import ForageError
from forage.core.protocols import Task, Tools
from forage.core.records import SamplingParams, Start, StartValue
from forage.parts.values.source import Valuer, ValueSource


@dataclass(frozen=True, kw_only=True)
class CriticValues(ValueSource):
    """The value of a start is what the run's critic predicts. Raises ForageError in a run without one."""

    def open(self, task: Task, tools: Tools, params: SamplingParams, *, seed: int) -> Valuer:
        if tools.critic is None:
            raise ForageError(
                "Values by a critic were asked for, and this run trains none: begin with a method that has a critic, "
                "or value states by continuations."
            )
        return _Predictions(tools)


@dataclass(frozen=True)
class _Predictions(Valuer):
    tools: Tools

    def store(self, start: Start, returns: Sequence[float]) -> None:
        """Nothing: the critic learns from returns at the update."""

    def __call__(self, starts: Sequence[Start]) -> tuple[StartValue, ...]:
        critic, codec = self.tools.critic, self.tools.codec
        if critic is None or not starts:
            return ()
        predicted = critic.value([codec.prompt(start.problem) + start.prefix for start in starts])
        return tuple(StartValue(mean, math.nan, 1, 0) for mean in predicted.tolist())

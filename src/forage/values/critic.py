"""The value of a start as the critic of the run sees it: no continuation, no token, and no standard error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from forage.errors import ForageError
from forage.protocols import Task, Tools
from forage.records import SamplingParams, Start
from forage.values.source import StartValue, Valuer, ValueSource


@dataclass(frozen=True, kw_only=True)
class FromCritic(ValueSource):
    """The value of a start is what the critic of the run says, which costs no tokens. The run must train one."""

    def open(self, task: Task, tools: Tools, params: SamplingParams, *, seed: int) -> Valuer:
        return CriticValues(tools)


@dataclass(frozen=True)
class CriticValues(Valuer):
    """Values of starts by the critic of `tools`; stands where `StartValues` does.

    A value counts as one judged return, its error is NaN (a single prediction has none to show), and it takes 0 tokens.
    Raises ForageError where the run has no critic.
    """

    tools: Tools

    def know(self, start: Start, returns: Sequence[float]) -> None:
        """Nothing: the critic learns from returns at the update."""

    def __call__(self, starts: Sequence[Start]) -> tuple[StartValue, ...]:
        critic, codec = self.tools.critic, self.tools.codec
        if critic is None:
            raise ForageError("Values by a critic were asked for, and this run trains none.")
        if not starts:
            return ()
        found = critic.value([codec.prompt(start.problem) + start.prefix for start in starts])
        return tuple(StartValue(mean, math.nan, 1, 0) for mean in found.tolist())

"""Environments over the words of `worlds`, and a sampler for them on a model with nearly uniform words."""

from dataclasses import dataclass
from pathlib import Path

from forage.core.records import Problem
from forage.core.turns import Environment
from forage.engines.local.engine import LocalEngine, Opened
from support.worlds import World

ENGINE = LocalEngine(threads=1, matmul="highest")


@dataclass(frozen=True, kw_only=True)
class Guide(Environment):
    """Says `says` whenever the policy has said the last of `ends`, at most `times` times."""

    says: str = "one two"
    ends: tuple[str, ...] = ("north",)
    times: int = 99
    limit: int = 16

    @property
    def turn_ends(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.ends

    @property
    def max_turns(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.limit

    def reply(self, problem: Problem, text: str) -> str | None:
        over = not text.endswith(self.ends[-1]) or text.count(self.ends[-1]) > self.times
        return None if over else self.says


@dataclass(frozen=True, kw_only=True)
class Guided(World):
    """A world with somebody who answers."""

    environment: Environment


def opened_for(model: Path, environment: Environment) -> Opened:
    return LocalEngine(threads=1, matmul="highest", stops=environment.turn_ends).open(str(model))

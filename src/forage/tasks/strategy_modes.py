"""Modes of a task with one answer: the ways to it, identified by the strategic grams of a response."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem
from forage.grams.gram_list import GramList
from forage.grams.matching import Matcher
from forage.grams.strategies import Strategies
from forage.tasks.wrapped import Wrapped

NO_GRAMS = "no grams"
"""The mode of a right response that shows no strategic gram: a way of its own, so that every right response has one."""


@dataclass(frozen=True, kw_only=True)
class StrategyModes(Wrapped):
    """Another task whose modes are the sequences of gram clusters of its responses (`Strategies.sequence`).

    `bins` names the cluster of each of `grams`, and `source` is the id of their list. The grams are part of the task,
    so that it can be judged without the file they came from. Modes of the task itself are not asked for.
    """

    name: ClassVar[str] = "strategy_modes"

    grams: tuple[str, ...]
    bins: tuple[str, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if not self.grams or len(self.bins) != len(self.grams):
            raise ForageError(
                f"Strategy modes need grams and a cluster for each, not {len(self.grams)} and {len(self.bins)}."
            )

    @property
    def has_modes(self) -> bool:
        return True

    def mode(self, problem: Problem, text: str) -> str | None:
        return " > ".join(self._strategies.sequence(text)) or NO_GRAMS

    @cached_property
    def _strategies(self) -> Strategies:
        return Strategies(matcher=Matcher(self.grams), bins=self.bins)


def with_strategy_modes(task: Task, grams: GramList) -> StrategyModes:
    """`task` with the clusters of a gram list as its modes."""
    return StrategyModes(task=task, grams=grams.grams, bins=grams.bins, source=grams.id)

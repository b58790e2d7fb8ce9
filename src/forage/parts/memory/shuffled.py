"""Fresh problems only: every problem once per pass, in a new order each pass."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig
from forage.core.records import Group, Problem, Start
from forage.core.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class ShuffledProblems(MemoryConfig):
    """Problems in shuffled passes; nothing that was tried is kept."""

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _Shuffled(problems, seed=seed)


class _Shuffled(Memory):
    def __init__(self, problems: Sequence[Problem], *, seed: int) -> None:
        if not problems:
            raise ForageError("There are no problems to train on: the training split of the task is empty.")
        self._problems = tuple(problems)
        self._seed = seed
        self._drawn = 0
        self._order: tuple[int, list[int]] | None = None

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        starts = tuple(Start(self._at(self._drawn + offset)) for offset in range(count))
        self._drawn += count
        return starts

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        """Nothing is kept."""

    def state(self) -> dict[str, Any]:
        return {"drawn": self._drawn}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._drawn = int(state["drawn"])

    def _at(self, position: int) -> Problem:
        number, offset = divmod(position, len(self._problems))
        if self._order is None or self._order[0] != number:
            order = list(range(len(self._problems)))
            random.Random(derive_seed(self._seed, "pass", number)).shuffle(order)
            self._order = number, order
        return self._problems[self._order[1][offset]]

"""Fresh problems only: every problem once per pass, in a new order each pass, and none twice in a step needlessly."""

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
    """Problems in shuffled passes; nothing that was tried is kept.

    A problem that comes again in a step while others have not come yet, because a pass ends within the step, waits for
    the next step.
    """

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _Shuffled(problems, seed=seed)


class _Shuffled(Memory):
    def __init__(self, problems: Sequence[Problem], *, seed: int) -> None:
        if not problems:
            raise ForageError("There are no problems to train on: the training split of the task is empty.")
        self._problems = tuple(problems)
        self._seed = seed
        self._drawn = 0
        self._waiting: list[int] = []
        self._step, self._met = 0, set[int]()
        self._order: tuple[int, list[int]] | None = None

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        if step != self._step:
            self._step, self._met = step, set()
        return tuple(Start(self._problems[self._next()]) for _ in range(count))

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        """Nothing is kept."""

    def state(self) -> dict[str, Any]:
        return {"drawn": self._drawn, "waiting": list(self._waiting)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._drawn = int(state["drawn"])
        self._waiting = list(state.get("waiting", ()))

    def _next(self) -> int:
        """The index of the first problem in turn that the step has not met; of any once it has met all of them."""
        if len(self._met) == len(self._problems):
            self._met.clear()
        chosen = next((index for index in self._waiting if index not in self._met), None)
        if chosen is not None:
            self._waiting.remove(chosen)
        while chosen is None:
            chosen = self._at(self._drawn)
            self._drawn += 1
            if chosen in self._met:
                self._waiting.append(chosen)
                chosen = None
        self._met.add(chosen)
        return chosen

    def _at(self, position: int) -> int:
        number, offset = divmod(position, len(self._problems))
        if self._order is None or self._order[0] != number:
            order = list(range(len(self._problems)))
            random.Random(derive_seed(self._seed, "pass", number)).shuffle(order)
            self._order = number, order
        return self._order[1][offset]

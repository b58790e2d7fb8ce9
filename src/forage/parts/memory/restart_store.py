"""Partial responses worth starting from again: bounded, without repetition, and evicted in a stated total order."""

import math
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from forage.core.errors import ForageError

Key = tuple[str, tuple[int, ...]]
"""The problem's id and the prefix."""

EASY = 0.05
"""The weight that a problem keeps which is always solved: hard ones come first, none is left out for ever."""


@dataclass(frozen=True, slots=True)
class StoredState:
    """A prefix, what it seemed worth (`score`, when last looked at: `scored`), and what came of starting from it.

    `created` and `scored` are steps; `first` is the score when it was kept (None: not known). `tries` counts groups
    that started here, `successes` their right responses. `source` says whose response it is a part of.
    """

    problem: str
    prefix: tuple[int, ...]
    score: float
    created: int
    scored: int
    tries: int = 0
    successes: int = 0
    first: float | None = None
    source: Literal["policy", "reference"] = "policy"

    @property
    def key(self) -> Key:
        return self.problem, self.prefix


@dataclass(frozen=True, kw_only=True)
class StoreLimits:
    """At most `per_problem` entries of a problem, `total` in all; `enough` successes or `tries` groups retire one."""

    per_problem: int = 4
    total: int = 640
    tries: int = 8
    enough: int = 2

    def __post_init__(self) -> None:
        if min(self.per_problem, self.total, self.tries, self.enough) < 1:
            raise ForageError("The limits of a replay store must all be 1 or more.")


class RestartStore:
    """Entries by key. Whatever is random comes from the generator that a call is given."""

    def __init__(self, limits: StoreLimits) -> None:
        self._limits = limits
        self._entries: dict[Key, StoredState] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[StoredState]:
        """In the order of their keys."""
        return [self._entries[key] for key in sorted(self._entries)]

    def add(self, entry: StoredState) -> bool:
        """Whether the entry is in the store afterwards and was not before. One of its key that is there stays as is."""
        if entry.key in self._entries:
            return False
        self._entries[entry.key] = entry
        self._evict(
            (stored for stored in self._entries.values() if stored.problem == entry.problem), self._limits.per_problem
        )
        self._evict(self._entries.values(), self._limits.total)
        return entry.key in self._entries

    def tried(self, key: Key, successes: int) -> None:
        """One more group started from `key`; a key that was evicted meanwhile is no matter."""
        if (entry := self._entries.get(key)) is not None:
            self._entries[key] = replace(entry, tries=entry.tries + 1, successes=entry.successes + successes)

    def rescore(self, key: Key, score: float, step: int) -> None:
        self._entries[key] = replace(self._entries[key], score=score, scored=step)

    def live(self) -> list[StoredState]:
        """The entries that may be drawn: neither solved nor tried out."""
        return [entry for entry in self.entries() if not self._solved(entry) and not self._tried_out(entry)]

    def draw(
        self,
        count: int,
        accuracy: Mapping[str, float],
        tau: float,
        rng: random.Random,
        without: Collection[Key] = (),
    ) -> list[StoredState]:
        """Up to `count` live entries without repetition: a problem by how hard it is, then one of its entries.

        A problem's weight is 1 - its running accuracy (0 where unknown), an entry's exp(score / tau). Entries whose key
        is in `without` are not drawn.
        """
        left, drawn = [entry for entry in self.live() if entry.key not in without], []
        while left and len(drawn) < count:
            problems = sorted({entry.problem for entry in left})
            weights = [1 - accuracy.get(name, 0.0) + EASY for name in problems]
            (problem,) = rng.choices(problems, weights)
            mine = [entry for entry in left if entry.problem == problem]
            top = max(entry.score for entry in mine)
            (chosen,) = rng.choices(mine, [math.exp((entry.score - top) / tau) for entry in mine])
            drawn.append(chosen)
            left.remove(chosen)
        return drawn

    def state(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self.entries()]

    def restore(self, state: Iterable[Mapping[str, Any]]) -> None:
        entries = (StoredState(**{**row, "prefix": tuple(row["prefix"])}) for row in state)
        self._entries = {entry.key: entry for entry in entries}

    def _solved(self, entry: StoredState) -> bool:
        return entry.successes >= self._limits.enough

    def _tried_out(self, entry: StoredState) -> bool:
        return entry.tries >= self._limits.tries

    def _evict(self, entries: Iterable[StoredState], limit: int) -> None:
        """First the solved, then the tried out, the lowest score, the most successes, the oldest, and by key."""

        def worth(entry: StoredState) -> tuple[bool, bool, float, int, int, Key]:
            solved, tried = self._solved(entry), self._tried_out(entry)
            return not solved, not tried, entry.score, -entry.successes, entry.created, entry.key

        for entry in sorted(entries, key=worth, reverse=True)[limit:]:
            del self._entries[entry.key]

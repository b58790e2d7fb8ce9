"""Where problems became solvable: from the beginning, or from a state that was met again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from forage.core.records import Group
from forage.parts.memory.outcomes import is_replayed


@dataclass(frozen=True, slots=True)
class FirstTime:
    """The step of a problem's first right response, whether a replayed start led to it, and the step of the first one
    from the beginning (None: there was none yet)."""

    step: int
    replayed: bool
    fresh_step: int | None


class FirstSolved:
    """The first right responses to each problem, by id."""

    def __init__(self) -> None:
        self._times: dict[str, FirstTime] = {}

    def note(self, groups: Iterable[Group], step: int) -> None:
        for group in groups:
            if any(score.correct for score in group.scores):
                name, fresh = group.start.problem.id, not is_replayed(group)
                known = self._times.get(name)
                if known is None:
                    self._times[name] = FirstTime(step, not fresh, step if fresh else None)
                elif fresh and known.fresh_step is None:
                    self._times[name] = replace(known, fresh_step=step)

    def counts(self) -> dict[str, float]:
        """Problems first solved from the beginning, first from a replayed start, and later from the beginning too."""
        replayed = [time for time in self._times.values() if time.replayed]
        return {
            "first_solved_fresh": len(self._times) - len(replayed),
            "first_solved_replayed": len(replayed),
            "carried_over": sum(time.fresh_step is not None for time in replayed),
        }

    def state(self) -> dict[str, Any]:
        return {name: [time.step, time.replayed, time.fresh_step] for name, time in sorted(self._times.items())}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._times = {name: FirstTime(*times) for name, times in state.items()}

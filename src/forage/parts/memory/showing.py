"""A memory around another: the starts of a step are the other's, and responses are shown beside what is sampled."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from forage.core.demonstrations import DemonstratingMemory
from forage.core.errors import ForageError
from forage.core.protocols import Memory, Task, Tools
from forage.core.records import Group, Rollout, SamplingParams, Start


class ShowingMemory(DemonstratingMemory):
    """Draws, observes and records as `inner` does; what a subclass keeps is saved beside the state of `inner`.

    Raises ForageError where `inner` shows responses too: one loss could not tell whose they are.
    """

    def __init__(self, inner: Memory) -> None:
        if isinstance(inner, DemonstratingMemory):
            raise ForageError("A memory that shows responses cannot lie around another one that does.")
        self._inner = inner

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        return self._inner.draw(count, step=step)

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        """The metrics of `inner`, and how many responses were kept when the step began."""
        seen = self._inner.observe(groups, task, tools, params, step=step, seed=seed)
        kept = [count for count in self.kept_per_problem() if count]
        mean = sum(kept) / len(kept) if kept else 0.0
        return {**seen, "exemplars": sum(kept), "exemplar_problems": len(kept), "exemplars_per_problem": mean}

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        self._inner.record(groups, step=step)
        self.keep(groups, step=step)

    def state(self) -> dict[str, Any]:
        return {"inner": self._inner.state(), **self.kept_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._inner.restore(state["inner"])
        self.restore_kept(state)

    @abstractmethod
    def kept_per_problem(self) -> Sequence[int]:
        """How many responses are kept of each problem, in any order."""

    @abstractmethod
    def keep(self, groups: Sequence[Group], *, step: int) -> None:
        """Takes what it keeps of the groups of a step, judged and learned from."""

    @abstractmethod
    def kept_state(self) -> dict[str, Any]: ...

    @abstractmethod
    def restore_kept(self, state: Mapping[str, Any]) -> None: ...


def whole_response(rollout: Rollout) -> tuple[int, ...]:
    """All tokens of the response that was judged: what its start had of it, and what was sampled."""
    return rollout.start.prefix + rollout.tokens

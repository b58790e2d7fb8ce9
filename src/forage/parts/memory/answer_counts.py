"""How often each answer to each problem was given (outcome-based exploration, arXiv 2509.06941)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forage.core.errors import ForageError
from forage.core.mode_keys import ModeKey, mode_keys
from forage.core.protocols import Memory, MemoryConfig, Task, Tools
from forage.core.records import Group, Problem, SamplingParams, Start
from forage.parts.memory.shuffled import ShuffledProblems


@dataclass(frozen=True, kw_only=True)
class AnswerCounts(MemoryConfig):
    """Fresh problems only, as `ShuffledProblems` draws them, and the answers that were given to each of them, counted.

    `key` is what tells answers apart: "answer" (the task reads it), "text" or "mode" (right ones only).
    """

    key: ModeKey = "answer"

    def __post_init__(self) -> None:
        if self.key not in ("answer", "text", "mode"):
            raise ForageError(f'Answers are distinguished by "answer", "text" or "mode", not {self.key!r}.')

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _AnswerCounts(self, problems, seed=seed)


class _AnswerCounts(Memory):
    def __init__(self, config: AnswerCounts, problems: Sequence[Problem], *, seed: int) -> None:
        self._config = config
        self._fresh = ShuffledProblems().open(problems, seed=seed)
        self._counts: dict[str, Counter[str]] = {}

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        return self._fresh.draw(count, step=step)

    def visits(self, problem: str, answer: str) -> int:
        return self._counts[problem][answer] if problem in self._counts else 0

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        """Counts the step's answers; `new_answers` is the share of them that nobody had given before the step."""
        given = new = 0
        answers: list[tuple[str, str]] = []
        for group in groups:
            name = group.start.problem.id
            keys = mode_keys(group.rollouts, group.scores, key=self._config.key, task=task, wrong=True)
            answers += [(name, key) for key in keys if key is not None]
        for name, key in answers:
            given += 1
            new += not self.visits(name, key)
        for name, key in answers:
            self._counts.setdefault(name, Counter())[key] += 1
        return {"new_answers": new / given if given else 0.0}

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        self._fresh.record(groups, step=step)

    def state(self) -> dict[str, Any]:
        counts = {name: dict(sorted(counter.items())) for name, counter in sorted(self._counts.items())}
        return {"fresh": self._fresh.state(), "counts": counts}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fresh.restore(state["fresh"])
        self._counts = {name: Counter(counter) for name, counter in state["counts"].items()}

"""Right responses that the task knows, learned from beside what is sampled (RL-PLUS, arXiv 2508.00222)."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from forage.core.demonstrations import Demonstration
from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig, Task, Tools
from forage.core.records import Group, Problem, SamplingParams
from forage.core.seeds import derive_seed
from forage.parts.memory.outcomes import ends_unsaid, is_replayed
from forage.parts.memory.promising import solution_of
from forage.parts.memory.showing import ShowingMemory
from forage.parts.memory.shuffled import ShuffledProblems


@dataclass(frozen=True, kw_only=True)
class References(MemoryConfig):
    """Starts from `inner`, and beside every group the right response that the task knows to its problem.

    It has the advantage 1 - mean of the verdicts on the sampled siblings, whose own mean it does not move, and the
    share of the group that one more sibling would have. It is shown where some sibling is wrong, and from the second
    step on: in the first one the task is asked, and how the model ends a response is seen.

    The control, `anywhere`: the response to another problem, with the same weight.
    """

    inner: MemoryConfig = field(default_factory=ShuffledProblems)
    anywhere: bool = False

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _References(self, self.inner.open(problems, seed=seed), problems, seed=seed)


class _References(ShowingMemory):
    asks_policy = True

    def __init__(self, config: References, inner: Memory, problems: Sequence[Problem], *, seed: int) -> None:
        super().__init__(inner)
        self._config, self._seed = config, seed
        self._problems = {problem.id: problem for problem in problems}
        self._known: dict[str, tuple[int, ...]] = {}
        self._step = 0

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        """Asks the task once. Raises ForageError where it knows no right response, or the model cannot write one."""
        if not self._known:
            ends = (r.tokens[-1:] for group in groups for r in group.rollouts if ends_unsaid(r, tools.codec))
            end = next(ends, ())
            solutions = ((name, solution_of(problem, task, tools)) for name, problem in self._problems.items())
            known = {name: solution.tokens + end for name, solution in solutions if solution}
            self._known = {name: tokens for name, tokens in known.items() if len(tokens) <= params.max_tokens}
            if not self._known:
                raise ForageError(
                    f"The task {task.name} knows no right response of at most {params.max_tokens} tokens to learn from."
                )
        return super().observe(groups, task, tools, params, step=step, seed=seed)

    def demonstrate(self, groups: Sequence[Group]) -> tuple[Demonstration, ...]:
        shown = []
        for number, group in enumerate(groups):
            name, verdicts = group.start.problem.id, [float(s.correct) for s in group.scores if s.judged]
            if name not in self._known or is_replayed(group) or not verdicts or all(verdicts):
                continue
            advantage = 1 - sum(verdicts) / len(verdicts)
            which = self._other(name, number) if self._config.anywhere else name
            shown.append(
                Demonstration(
                    problem=self._problems[name],
                    tokens=self._known[which],
                    group=number,
                    weight=advantage / (len(group.rollouts) + 1),
                )
            )
        return tuple(shown)

    def _other(self, name: str, number: int) -> str:
        others = sorted(self._known.keys() - {name}) or [name]
        return random.Random(derive_seed(self._seed, "other references", self._step, number)).choice(others)

    def kept_per_problem(self) -> Sequence[int]:
        return [1] * len(self._known)

    def keep(self, groups: Sequence[Group], *, step: int) -> None:
        self._step = step

    def kept_state(self) -> dict[str, Any]:
        return {"known": {name: list(tokens) for name, tokens in self._known.items()}, "step": self._step}

    def restore_kept(self, state: Mapping[str, Any]) -> None:
        self._known = {name: tuple(tokens) for name, tokens in state["known"].items()}
        self._step = int(state["step"])

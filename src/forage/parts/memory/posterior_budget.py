"""What is known of each problem's chance of success, and responses where they teach (after BBG, arXiv 2606.15455).

The posterior of a problem is Beta(right + 1, wrong + 1), in which older visits count less: the policy moves.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig, Task, Tools
from forage.core.records import Group, Problem, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.ops.rollout_budget import rollout_budget
from forage.parts.memory.outcomes import require_verdicts
from forage.parts.memory.shuffled import ShuffledProblems

Deal = Literal["teaching", "random"]


@dataclass(frozen=True, kw_only=True)
class PosteriorBudget(MemoryConfig):
    """Problems in shuffled passes; a step's responses, `group_size` times its starts, are divided over them.

    `ops.rollout_budget` divides: each start gets at least `low`, the others go where they add most to the expected
    number of divided groups, weighed by the slope of pass@k. A visit leaves the share `keep` of what earlier visits
    counted. `deal` "random" is the control: the same numbers of responses, to other starts of the step. Raises
    ForageError for settings out of range.
    """

    group_size: int
    low: int = 2
    k: int = 1
    keep: float = 0.5
    deal: Deal = "teaching"

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.group_size or self.k < 1 or not 0 <= self.keep <= 1:
            raise ForageError(
                f"A budget needs low in 1 ... {self.group_size} (a mean number of responses), k of 1 or more and "
                f"keep in 0 ... 1, not {self.low}, {self.k} and {self.keep}."
            )
        if self.deal not in get_args(Deal):
            raise ForageError(f'Responses are dealt where they are "teaching" or at "random", not {self.deal!r}.')

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _PosteriorBudget(self, problems, seed=seed)


class _PosteriorBudget(Memory):
    def __init__(self, config: PosteriorBudget, problems: Sequence[Problem], *, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._fresh = ShuffledProblems().open(problems, seed=seed)
        self._counts: dict[str, tuple[float, float]] = {}
        self._draws = 0

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        starts, config = self._fresh.draw(count, step=step), self._config
        posteriors = [self._posterior(start.problem.id) for start in starts]
        sizes = rollout_budget(posteriors, total=config.group_size * count, low=config.low, k=config.k)
        if config.deal == "random":
            random.Random(derive_seed(self._seed, "deal", self._draws)).shuffle(sizes)
        self._draws += 1
        return tuple(replace(start, group_size=size) for start, size in zip(starts, sizes, strict=True))

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        """The largest and smallest groups, and the mean of the posteriors that they were chosen by.

        Raises ForageError where rewards are graded: nothing then says which responses are right.
        """
        require_verdicts(groups, what="A posterior of success")
        sizes = [len(group.rollouts) for group in groups]
        believed = [a / (a + b) for a, b in (self._posterior(group.start.problem.id) for group in groups)]
        return {
            "group_size_min": min(sizes),
            "group_size_max": max(sizes),
            "posterior_mean": math.fsum(believed) / len(believed),
        }

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        self._fresh.record(groups, step=step)
        for group in groups:
            judged = [score.correct for score in group.scores if score.judged]
            right, wrong = self._counts.get(group.start.problem.id, (0.0, 0.0))
            kept = self._config.keep
            seen = sum(judged)
            self._counts[group.start.problem.id] = (kept * right + seen, kept * wrong + len(judged) - seen)

    def state(self) -> dict[str, Any]:
        counts = {name: list(tally) for name, tally in sorted(self._counts.items())}
        return {"fresh": self._fresh.state(), "draws": self._draws, "counts": counts}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fresh.restore(state["fresh"])
        self._draws = int(state["draws"])
        self._counts = {name: (float(right), float(wrong)) for name, (right, wrong) in state["counts"].items()}

    def _posterior(self, problem: str) -> tuple[float, float]:
        right, wrong = self._counts.get(problem, (0.0, 0.0))
        return right + 1, wrong + 1

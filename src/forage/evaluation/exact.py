"""What a policy knows, from the chances of all its answers: no sample, no error bar over samples.

Axes: M right modes of a problem, P problems, K values of k.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forage.core.errors import ForageError
from forage.core.result_table import Cell, ResultTable
from forage.evaluation.bootstrap import Interval, intervals
from forage.ops.diversity import distinct_at_k_of_chances, pcmd_of_chances


@dataclass(frozen=True, kw_only=True)
class ExactProblem:
    """What a policy answers to one problem: `modes` has the chance of each right mode, `listed` that of all responses.

    What `listed` lacks to 1 went to texts that no right answer has. `modes` is None where the task has no modes.
    """

    problem: str
    correct: float
    listed: float
    modes: Mapping[str, float] | None

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.listed <= 1 + 1e-6:
            raise ValueError(f"problem {self.problem} is right in {self.correct} of {self.listed}")


@dataclass(frozen=True, kw_only=True)
class ExactEvaluation:
    """One checkpoint on the problems of a split. Means over problems weigh each alike."""

    label: str
    split: str
    ks: tuple[int, ...]
    problems: tuple[ExactProblem, ...]
    step: int | None = None
    task: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.problems:
            raise ValueError("an evaluation holds at least one problem")
        if not self.ks or min(self.ks) < 1:
            raise ForageError(f"k counts tries, so each must be at least 1, not {list(self.ks)}.")

    @property
    def has_modes(self) -> bool:
        return all(problem.modes is not None for problem in self.problems)

    def pass_by_problem(self) -> NDArray[np.float64]:
        """(P, K): 1 - (1 - P)^k, the chance that one of k answers is right."""
        correct = np.array([problem.correct for problem in self.problems])
        return -np.expm1(np.array(self.ks) * np.log1p(-correct.clip(0, 1 - 1e-15))[:, None])

    def distinct_by_problem(self) -> NDArray[np.float64]:
        """(P, K): how many right modes k answers hold on average."""
        return np.array([[distinct_at_k_of_chances(self._chances(p), k) for k in self.ks] for p in self.problems])

    def pcmd_by_problem(self) -> NDArray[np.float64]:
        """(P,): the chance that two right answers differ in mode; NaN where no answer is right."""
        return np.array([pcmd_of_chances(self._chances(problem)) for problem in self.problems])

    def summary(self) -> dict[str, float]:
        """The means over problems by name. What needs modes is absent where the task knows none, and PCMD, which is of
        the problems that have a right answer, where none has.
        """
        values = {f"pass@{k}": v for k, v in zip(self.ks, self.pass_by_problem().mean(0).tolist(), strict=True)}
        if self.has_modes:
            distinct = self.distinct_by_problem().mean(0).tolist()
            values |= {f"distinct@{k}": value for k, value in zip(self.ks, distinct, strict=True)}
            known = [value for value in self.pcmd_by_problem().tolist() if not math.isnan(value)]
            values |= {"pcmd": math.fsum(known) / len(known)} if known else {}
        return {**values, "listed": math.fsum(problem.listed for problem in self.problems) / len(self.problems)}

    def _chances(self, problem: ExactProblem) -> list[float]:
        if problem.modes is None:
            raise ForageError("This task has no modes: there is nothing to count but right answers.")
        return list(problem.modes.values())


def exact_table(evaluations: Sequence[ExactEvaluation], *, seed: int = 0) -> ResultTable:
    """One row per evaluation: pass@k, distinct@k and PCMD. Intervals are over problems: each number is exact.

    distinct@1 is pass@1, so it has no column.
    """
    ks, modes = evaluations[0].ks, all(each.has_modes for each in evaluations)
    several = [place for place, k in enumerate(ks) if k > 1]
    names = [*(f"pass@{k}" for k in ks), *([*(f"distinct@{ks[i]}" for i in several), "PCMD"] if modes else [])]
    rows = []
    for each in evaluations:
        columns = [each.pass_by_problem()]
        if modes:
            columns += [each.distinct_by_problem()[:, several], each.pcmd_by_problem()[:, None]]
        measured = intervals(np.concatenate(columns, axis=1)[None], seed=seed)
        rows.append((Cell(each.label), *map(_cell, measured)))
    note = "Exact: from the chances of all answers. Intervals are over problems."
    return ResultTable(("policy", *names), tuple(rows), (note,))


def _cell(interval: Interval) -> Cell:
    if math.isnan(interval.estimate):
        return Cell("n/a")
    return Cell(
        f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]",
        interval.estimate,
        interval.low,
        interval.high,
    )

"""Two policies on the same problems: differences with intervals, where their curves cross, what was lost and gained.

Axes: R runs, P problems, K values of k, D bootstrap draws.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forage.core.errors import ForageError
from forage.evaluation.bootstrap import (
    DRAWS,
    LEVEL,
    Interval,
    bootstrap_differences,
    intervals,
    mean_over_runs_and_problems,
    percentile_interval,
)
from forage.evaluation.estimate import in_order, pass_by_problem, small_sample_warning, stack_by_problem
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.settings import unequal_settings

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crossover:
    """Where the base overtakes the policy as k grows.

    `k`: the crossing of the estimated curves, NaN where they do not cross (the policy never leads, or is not behind at
    the largest k). `low` and `high` bound it in the draws that cross; `share` is the share of draws that do. Believe a
    crossover where `share` is near 1, and its absence where it is near 0.
    """

    k: float
    low: float
    high: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`other` against `base`, paired by problem; every tuple of intervals follows `ks`.

    `difference` is other - base: above 0, the other is better. `lost` maps a problem to the share of (base run, other
    run) pairs in which the base solved it at least once and the other never did; `gained` is the reverse. A problem
    that is solved once in n samples is easily lost by chance: read the two beside each other. `notes` are sentences
    that a reader of the numbers must know.
    """

    base_label: str
    other_label: str
    ks: tuple[int, ...]
    base: tuple[Interval, ...]
    other: tuple[Interval, ...]
    difference: tuple[Interval, ...]
    crossover: Crossover
    lost: Mapping[str, float]
    gained: Mapping[str, float]
    base_runs: int
    other_runs: int
    notes: tuple[str, ...] = ()


def compare(
    base: Sequence[Evaluation],
    other: Sequence[Evaluation],
    *,
    ks: Sequence[int],
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
) -> Comparison:
    """Compares two groups of runs (training seeds of one method each; a base model is a group of one).

    Raises ForageError where the evaluations do not hold the same problems, or a k exceeds their samples.
    """
    if not base or not other:
        raise ForageError("A comparison needs at least one evaluation on either side.")
    ks = tuple(sorted(set(ks)))
    problems = [outcome.problem for outcome in base[0].problems]
    base = [in_order(run, problems) for run in base]
    other = [in_order(run, problems) for run in other]
    first, second = stack_by_problem(base, ks), stack_by_problem(other, ks)
    estimate = mean_over_runs_and_problems(second) - mean_over_runs_and_problems(first)
    resampled = bootstrap_differences(first, second, draws=draws, seed=seed)
    return Comparison(
        base_label=base[0].label,
        other_label=other[0].label,
        ks=ks,
        base=intervals(first, draws=draws, seed=seed, level=level),
        other=intervals(second, draws=draws, seed=seed, level=level),
        difference=tuple(percentile_interval(estimate[k], resampled[:, k], level=level) for k in range(len(ks))),
        crossover=_crossover(ks, estimate, resampled, level),
        lost=_lost(base, other),
        gained=_lost(other, base),
        base_runs=len(base),
        other_runs=len(other),
        notes=_notes(base, other, ks),
    )


def crossing(ks: Sequence[int], difference: Floats) -> Floats:
    """(..., K) differences, other - base -> (...): the k at which the base overtakes, NaN where it does not.

    That is the last change from above 0 to 0 or below on a curve that ends below 0, interpolated linearly in log k.
    """
    shape, difference = difference.shape[:-1], difference.reshape(-1, difference.shape[-1])
    result = np.full(len(difference), np.nan)
    if len(ks) > 1:
        left, right = difference[:, :-1], difference[:, 1:]
        falls = (left > 0) & (right <= 0)
        crosses = falls.any(axis=1) & (difference[:, -1] < 0)
        rows = np.flatnonzero(crosses)
        at = falls.shape[1] - 1 - falls[rows, ::-1].argmax(axis=1)
        above, below = left[rows, at], right[rows, at]
        logs = np.log(np.asarray(ks, dtype=np.float64))
        result[rows] = np.exp(logs[at] + above / (above - below) * (logs[at + 1] - logs[at]))
    return result.reshape(shape)


def match_pass_at_1(target: Evaluation, candidates: Sequence[Evaluation]) -> Evaluation:
    """The candidate whose pass@1 is nearest to the target's: other steps of a run, or the base at other temperatures.

    A policy that learned less also loses less pass@k, so methods are compared at equal pass@1 as well as at equal step.
    The earliest candidate wins a tie.
    """
    if not candidates:
        raise ForageError(f"There is no evaluation to match with {target.label} at equal pass@1.")
    goal = _pass_at_1(target)
    return min(candidates, key=lambda candidate: abs(_pass_at_1(candidate) - goal))


def pool_runs(evaluations: Sequence[Evaluation]) -> dict[tuple[str, float, int | None], tuple[Evaluation, ...]]:
    """Groups the training seeds of one method: (label, temperature, step) -> runs, in order of first appearance.

    Temperature is part of the key because sampling a base model colder raises its pass@1 as training does: the base at
    several temperatures is a control, and never pooled.
    """
    groups: dict[tuple[str, float, int | None], list[Evaluation]] = defaultdict(list)
    for evaluation in evaluations:
        groups[(evaluation.label, evaluation.params.temperature, evaluation.step)].append(evaluation)
    return {key: tuple(runs) for key, runs in groups.items()}


def _pass_at_1(evaluation: Evaluation) -> float:
    rates = pass_by_problem(evaluation, [1])
    return float(np.nanmean(rates)) if not np.isnan(rates).all() else math.nan


def _crossover(ks: Sequence[int], estimate: Floats, resampled: Floats, level: float) -> Crossover:
    crossings = crossing(ks, resampled)
    at = float(crossing(ks, estimate))
    # The interval is of the draws that cross, and only means something when the estimate does.
    bounds = percentile_interval(at, crossings, level=level)
    return Crossover(at, bounds.low, bounds.high, float(np.isfinite(crossings).mean()))


def _lost(before: Sequence[Evaluation], after: Sequence[Evaluation]) -> dict[str, float]:
    """Problem -> share of run pairs in which `before` solved it and `after` never did, where above 0.

    A run without a judged sample of the problem says nothing about it and forms no pair.
    """
    lost = {}
    for index, outcome in enumerate(before[0].problems):
        solved = [run.problems[index].correct > 0 for run in before if run.problems[index].judged]
        failed = [run.problems[index].correct == 0 for run in after if run.problems[index].judged]
        pairs = len(solved) * len(failed)
        if pairs and any(solved) and any(failed):
            lost[outcome.problem] = sum(solved) * sum(failed) / pairs
    return lost


def _notes(base: Sequence[Evaluation], other: Sequence[Evaluation], ks: Sequence[int]) -> tuple[str, ...]:
    everyone = [*base, *other]
    notes = []
    if max(len(base), len(other)) == 1:
        notes.append(
            "One training run on either side: the intervals cover the choice of problems, not the training seed, which "
            "often matters more. Repeat with other seeds before claiming a difference."
        )
    samples = sorted({run.n for run in everyone})
    if warning := small_sample_warning(samples[0], ks):
        notes.append(warning)
    if len(samples) > 1:
        notes.append(
            f"The evaluations hold {samples[0]} to {samples[-1]} samples per problem: pass@k is comparable, lost and "
            "gained problems are not."
        )
    notes.extend(unequal_settings({"base": base, "other": other}))
    unjudged = sum(outcome.unjudged for run in everyone for outcome in run.problems)
    if unjudged:
        notes.append(f"{unjudged} samples could not be judged and are left out of every share of correct answers.")
    return tuple(notes)

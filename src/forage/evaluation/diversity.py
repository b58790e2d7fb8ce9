"""How many ways of being right a policy shows: distinct@k, PCMD and what goes with them, from counts by mode.

Axes: R runs, P problems, K values of k, D bootstrap draws. Unknown values are NaN and are excluded: a task that names
no modes has no diversity of them, and PCMD needs two right answers to a problem. As for pass@k, samples without a
verdict are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forage.evaluation.bootstrap import (
    DRAWS,
    Interval,
    bootstrap_differences,
    intervals,
    mean_over_runs_and_problems,
    percentile_interval,
)
from forage.evaluation.estimate import check_ks, in_order, pass_by_problem
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.ops.diversity import distinct_at_k, pcmd

Floats = NDArray[np.float64]


def has_modes(runs: Sequence[Evaluation]) -> bool:
    """Whether all of them counted modes."""
    return all(outcome.modes is not None for run in runs for outcome in run.problems)


def distinct_by_problem(evaluation: Evaluation, ks: Sequence[int]) -> Floats:
    """(P, K) float64: the expected number of different right modes among k samples (`ops.diversity.distinct_at_k`).

    As in `pass_by_problem`, k is cut to the number of judged samples. Raises ForageError where a k exceeds the samples.
    """
    check_ks(evaluation.n, ks)
    return _rows(
        evaluation, [[(outcome.judged, min(k, outcome.judged)) for k in ks] for outcome in evaluation.problems]
    )


def modes_in_right_by_problem(evaluation: Evaluation, ks: Sequence[int]) -> Floats:
    """(P, K) float64: the expected number of different modes among k right answers; NaN where fewer were right.

    Breadth at equal accuracy. Right answers that name no mode are not counted.
    """
    named = [sum((outcome.modes or {}).values()) for outcome in evaluation.problems]
    return _rows(evaluation, [[(right, k if k <= right else 0) for k in ks] for right in named])


def extra_by_problem(evaluation: Evaluation, ks: Sequence[int]) -> Floats:
    """(P, K) float64: distinct@k less pass@k, the modes beyond the first, which accuracy cannot explain."""
    return distinct_by_problem(evaluation, ks) - pass_by_problem(evaluation, ks)


def pcmd_by_problem(evaluation: Evaluation) -> Floats:
    """(P,) float64: the chance that two right answers differ in mode (`ops.diversity.pcmd`); NaN below two of them."""
    return np.array(
        [math.nan if outcome.modes is None else float(pcmd(_counts(outcome))) for outcome in evaluation.problems]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """What a group of runs shows, with intervals over problems, and over runs where there are several.

    `distinct`, `extra` and `in_right` follow `ks`. `eligible` counts the problems with two right answers in some run,
    the only ones that `pcmd` is measured on.
    """

    ks: tuple[int, ...]
    distinct: tuple[Interval, ...]
    extra: tuple[Interval, ...]
    in_right: tuple[Interval, ...]
    pcmd: Interval
    eligible: int


def measure_diversity(
    runs: Sequence[Evaluation], ks: Sequence[int], *, draws: int = DRAWS, seed: int = 0
) -> Diversity | None:
    """`runs` are training seeds of one method on the same problems. None where they did not count modes."""
    if not has_modes(runs):
        return None
    reference = [outcome.problem for outcome in runs[0].problems]
    ordered = [in_order(run, reference) for run in runs]
    pairs = np.stack([pcmd_by_problem(run) for run in ordered])
    return Diversity(
        ks=tuple(ks),
        distinct=intervals(np.stack([distinct_by_problem(run, ks) for run in ordered]), draws=draws, seed=seed),
        extra=intervals(np.stack([extra_by_problem(run, ks) for run in ordered]), draws=draws, seed=seed),
        in_right=intervals(np.stack([modes_in_right_by_problem(run, ks) for run in ordered]), draws=draws, seed=seed),
        pcmd=intervals(pairs[:, :, None], draws=draws, seed=seed)[0],
        eligible=int((~np.isnan(pairs)).any(axis=0).sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityChange:
    """`other` less `base`, paired by problem; `distinct` and `extra` follow `ks`.

    PCMD is compared on the `eligible` problems alone: those with two right answers in every run of either side. Which
    problems a policy solves twice moves with its accuracy, so two PCMDs on problems of their own say little.
    """

    ks: tuple[int, ...]
    distinct: tuple[Interval, ...]
    extra: tuple[Interval, ...]
    base_pcmd: Interval
    other_pcmd: Interval
    pcmd: Interval
    eligible: int


def compare_diversity(
    base: Sequence[Evaluation], other: Sequence[Evaluation], ks: Sequence[int], *, draws: int = DRAWS, seed: int = 0
) -> DiversityChange | None:
    """None where either side did not count modes. Raises ForageError where they do not hold the same problems."""
    if not has_modes([*base, *other]):
        return None
    reference = [outcome.problem for outcome in base[0].problems]
    sides = [[in_order(run, reference) for run in runs] for runs in (base, other)]
    known = [np.stack([pcmd_by_problem(run) for run in runs]) for runs in sides]
    eligible = ~np.isnan(np.concatenate(known)).any(axis=0)
    pairs = [np.where(eligible, values, np.nan)[:, :, None] for values in known]

    def change(first: Floats, second: Floats) -> tuple[Interval, ...]:
        estimate = mean_over_runs_and_problems(second) - mean_over_runs_and_problems(first)
        resampled = bootstrap_differences(first, second, draws=draws, seed=seed)
        return tuple(percentile_interval(estimate[k], resampled[:, k]) for k in range(len(estimate)))

    return DiversityChange(
        ks=tuple(ks),
        distinct=change(*(np.stack([distinct_by_problem(run, ks) for run in runs]) for runs in sides)),
        extra=change(*(np.stack([extra_by_problem(run, ks) for run in runs]) for runs in sides)),
        base_pcmd=intervals(pairs[0], draws=draws, seed=seed)[0],
        other_pcmd=intervals(pairs[1], draws=draws, seed=seed)[0],
        pcmd=change(pairs[0], pairs[1])[0],
        eligible=int(eligible.sum()),
    )


def _rows(evaluation: Evaluation, draws: Sequence[Sequence[tuple[int, int]]]) -> Floats:
    """distinct@k of every problem for its pairs (samples, k); NaN for k = 0 and where no modes were counted.

    Problems differ in the number of their modes, so they lie in one array filled up with modes that nobody took.
    """
    outcomes, asked = evaluation.problems, np.array(draws)
    counts = [_counts(outcome) for outcome in outcomes]
    modes = np.zeros((len(outcomes), 1, max(map(len, counts), default=0)), dtype=np.int64)
    for row, each in zip(modes[:, 0], counts, strict=True):
        row[: len(each)] = each
    known = (asked[..., 1] > 0) & np.array([outcome.modes is not None for outcome in outcomes])[:, None]
    samples, tries = np.maximum(asked[..., 0], 1), np.where(known, asked[..., 1], 1)
    distinct = distinct_at_k(samples, np.where(known[..., None], modes, 0), tries)
    return np.where(known, distinct, math.nan)


def _counts(outcome: ProblemOutcome) -> list[int]:
    return list((outcome.modes or {}).values())

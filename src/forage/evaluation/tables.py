"""Results as plain rows: what the command line prints and the report shows. No rendering happens here."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from forage.core.result_table import Cell, ResultTable
from forage.evaluation.bootstrap import DRAWS, Interval, intervals
from forage.evaluation.compare import Comparison, Crossover, compare
from forage.evaluation.estimate import in_order, majority_by_problem, pass_curve, summarize
from forage.evaluation.evaluation import Evaluation

Runs = Mapping[str, Sequence[Evaluation]]
"""Label -> training runs of one method (a base model: one)."""


def curve_table(groups: Runs, ks: Sequence[int], *, draws: int = DRAWS, seed: int = 0) -> ResultTable:
    """One row per group: pass@k with intervals, the majority vote over all samples, and the confounds."""
    columns = ("policy", "runs", "T", *(f"pass@{k}" for k in ks), "majority", *CONFOUNDS)
    rows: list[tuple[Cell, ...]] = []
    for label, runs in groups.items():
        votes = [majority_by_problem(run, run.n, seed=seed) for run in runs]
        rows.append(
            (
                Cell(label),
                Cell(str(len(runs)), len(runs)),
                _temperature(runs),
                *(level_cell(interval) for interval in pass_curve(runs, ks, draws=draws, seed=seed)),
                _number(_mean(np.concatenate(votes)), ".3f"),
                *_confounds(runs),
            )
        )
    return ResultTable(columns, tuple(rows))


def majority_table(groups: Runs, ks: Sequence[int], *, draws: int = DRAWS, seed: int = 0) -> ResultTable:
    """One row per group: how often the most frequent answer of k responses is right, with intervals."""
    rows: list[tuple[Cell, ...]] = []
    for label, runs in groups.items():
        reference = [outcome.problem for outcome in runs[0].problems]
        votes = np.stack(
            [
                np.stack([majority_by_problem(in_order(run, reference), k, seed=seed) for k in ks], axis=1)
                for run in runs
            ]
        )
        rows.append((Cell(label), *(level_cell(interval) for interval in intervals(votes, draws=draws, seed=seed))))
    return ResultTable(("policy", *(f"majority@{k}" for k in ks)), tuple(rows))


def difference_table(
    base: Sequence[Evaluation], others: Runs, ks: Sequence[int], *, draws: int = DRAWS, seed: int = 0
) -> ResultTable:
    """The base's pass@k, then one row per group: differences from the base, the crossover, lost and gained problems.

    Lost and gained are means over pairs of a base run and a run of the group. With many rows or columns some intervals
    exclude 0 by chance (one in twenty where nothing differs), which the notes say.
    """
    ks = tuple(sorted(set(ks)))
    columns = ("policy", "runs", "T", *(f"pass@{k}" for k in ks), "crossover", "lost", "gained", *CONFOUNDS)
    empty = Cell("")
    curve = pass_curve(base, ks, draws=draws, seed=seed)
    rows: list[tuple[Cell, ...]] = [
        (
            Cell(base[0].label),
            Cell(str(len(base)), len(base)),
            _temperature(base),
            *(level_cell(interval) for interval in curve),
            *(empty, empty, empty),
            *_confounds(base),
        )
    ]
    notes: list[str] = []
    for label, runs in others.items():
        comparison = compare(base, runs, ks=ks, draws=draws, seed=seed)
        rows.append(_difference_row(label, runs, comparison))
        notes.extend(note for note in comparison.notes if note not in notes)
    if len(others) * len(ks) >= 10:
        notes.append(
            f"{len(others) * len(ks)} differences are shown: about one in twenty is marked although nothing differs."
        )
    return ResultTable(columns, tuple(rows), tuple(notes))


def interval_text(interval: Interval, *, signed: bool = False) -> str:
    """As in "+.095 [+.031, +.160]", or "n/a" where nothing was judged."""
    if math.isnan(interval.estimate):
        return "n/a"
    form = "+.3f" if signed else ".3f"
    return f"{interval.estimate:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def crossover_text(crossover: Crossover) -> str:
    """As in "k = 16 [9, 31] (97% of draws)", or "none (4% of draws)"."""
    share = f"{crossover.share:.0%} of draws"
    if math.isnan(crossover.k):
        return f"none ({share})"
    if math.isnan(crossover.low):
        return f"k = {crossover.k:.0f} ({share})"
    return f"k = {crossover.k:.0f} [{crossover.low:.0f}, {crossover.high:.0f}] ({share})"


CONFOUNDS = ("length", "truncated", "committed", "unjudged", "entropy")


def _confounds(runs: Sequence[Evaluation]) -> tuple[Cell, ...]:
    summary = summarize(runs)
    return (
        _number(summary.length, ".1f"),
        _number(summary.truncated, ".1%"),
        _number(summary.committed, ".1%"),
        _number(summary.unjudged, ".1%"),
        _number(summary.entropy, ".3f"),
    )


def _difference_row(label: str, runs: Sequence[Evaluation], comparison: Comparison) -> tuple[Cell, ...]:
    cross = comparison.crossover
    return (
        Cell(label),
        Cell(str(len(runs)), len(runs)),
        _temperature(runs),
        *(difference_cell(interval) for interval in comparison.difference),
        Cell(crossover_text(cross), cross.k, cross.low, cross.high),
        _number(math.fsum(comparison.lost.values()), ".3g"),
        _number(math.fsum(comparison.gained.values()), ".3g"),
        *_confounds(runs),
    )


def level_cell(interval: Interval) -> Cell:
    """An estimate with its interval."""
    return Cell(interval_text(interval), interval.estimate, interval.low, interval.high)


def difference_cell(interval: Interval) -> Cell:
    """A difference with its interval, marked where it is distinguishable from 0."""
    text = interval_text(interval, signed=True)
    return Cell(text, interval.estimate, interval.low, interval.high, interval.distinguishable)


def _temperature(runs: Sequence[Evaluation]) -> Cell:
    temperatures = sorted({run.params.temperature for run in runs})
    return Cell(", ".join(f"{t:g}" for t in temperatures), temperatures[0])


def _number(value: float, form: str) -> Cell:
    return Cell("n/a" if math.isnan(value) else f"{value:{form}}", value)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan

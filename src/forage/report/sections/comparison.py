"""The numbers behind the curves: what each policy reaches, and paired differences with intervals."""

import math
from collections.abc import Sequence, Set

from forage.core.result_table import Cell, ResultTable
from forage.evaluation.compare import Comparison, Crossover, compare
from forage.evaluation.tables import CONFOUNDS, curve_table, difference_table
from forage.report.blocks import Grid, Section, TableCell
from forage.report.load import Runs
from forage.report.palette import Series
from forage.report.select import PolicyGroup, gather_results
from forage.report.text import SETTLED, percent, signed_points

HEADINGS = {
    "policy": "PolicyGroup", "runs": "Seeds", "majority": "Majority vote", "crossover": "Curves cross", "lost": "Lost",
    "gained": "Gained", "length": "Length", "truncated": "Cut off", "committed": "Committed", "unjudged": "Unjudged",
    "entropy": "Entropy",
}  # fmt: skip


UP, DOWN = "\N{BLACK UP-POINTING TRIANGLE}", "\N{BLACK DOWN-POINTING TRIANGLE}"

MANY = 10
"""From this many differences on, a note says that some are marked by chance."""


def section(runs: Runs) -> Section | None:
    results = gather_results(runs)
    if results is None or not results.ks:
        return None
    blocks = [_levels(results.policies, results.ks)]
    if results.base and results.trained:
        blocks.append(_differences(results.base, results.trained, results.ks))
    for label in dict.fromkeys(reference.label for reference, _ in results.pairs()):
        pairs = [pair for pair in results.pairs() if pair[0].label == label]
        stated = {note for block in blocks for note in block.notes}
        blocks.append(_differences(pairs[0][0], [method for _, method in pairs], results.ks, stated=stated))
    if results.controls:
        blocks.append(_controls(results.controls, [k for k in results.ks if k <= min(p.n for p in results.controls)]))
    lead = "All policies met the same problems, so differences are taken problem by problem."
    return Section(id="comparison", title="Comparison", lead=lead, blocks=blocks)


def _levels(policies: Sequence[PolicyGroup], ks: Sequence[int]) -> Grid:
    table = _without(curve_table({policy.label: policy.runs for policy in policies}, ks), _idle(policies))
    return Grid(
        title="What each policy reaches",
        columns=_headings(table),
        rows=_rows(table, [policy.series for policy in policies]),
        how="Small figures are 95% intervals. Majority vote: how often the most frequent answer of all samples is "
        "right. Cut off: ended by the length limit. Committed: gave a final answer. Entropy: nats per token. A policy "
        "that writes more, or is cut off less often, may score higher for that reason alone.",
    )


def _controls(controls: Sequence[PolicyGroup], ks: Sequence[int]) -> Grid:
    groups = {f"{policy.label}, T = {policy.temperature:g}": policy.runs for policy in controls}
    table = _without(curve_table(groups, ks), ("T", *_idle(controls)))
    return Grid(
        title="At other temperatures",
        columns=_headings(table),
        rows=_rows(table, [policy.series for policy in controls]),
        how="The control: a base that is sampled colder also gains pass@1. Training should beat it, not only the base "
        "at the training temperature.",
    )


def _differences(
    reference: PolicyGroup, others: Sequence[PolicyGroup], ks: Sequence[int], *, stated: Set[str] = frozenset()
) -> Grid:
    full = difference_table(reference.runs, {policy.label: policy.runs for policy in others}, ks)
    table = _without(full, (*CONFOUNDS, "T"))  # the table of levels has them
    comparisons = [compare(reference.runs, policy.runs, ks=ks) for policy in others]
    rows = _rows(table, [reference.series, *(policy.series for policy in others)], differences=True)
    column = table.columns.index("crossover")
    for row, comparison in zip(rows[1:], comparisons, strict=True):
        row[column] = _crossover(comparison.crossover)
    return Grid(
        title=f"Against {reference.label}",
        columns=_headings(table),
        rows=rows,
        how=f"First row: what {reference.label} reaches. Below it: differences in percentage points. {UP} and {DOWN} "
        "mark those whose 95% interval leaves out 0. Curves cross: the k beyond which the first row solves more. Lost: "
        "problems solved at least once in the first row's samples and never by this policy; gained: the reverse (means "
        "over pairs of seeds).",
        notes=[note for note in _notes(comparisons, ks) if note not in stated],
    )


def _notes(comparisons: Sequence[Comparison], ks: Sequence[int]) -> list[str]:
    """The comparisons' notes: once where they hold for all, with the policy's name where they do not."""
    notes: list[str] = []
    for comparison in comparisons:
        for note in comparison.notes:
            general = all(note in other.notes for other in comparisons)
            notes.append(note if general else f"{comparison.other_label}: {note}")
    if len(comparisons) * len(ks) >= MANY:
        shown = len(comparisons) * len(ks)
        notes.append(f"{shown} differences are shown: about one in twenty is marked although nothing differs.")
    return list(dict.fromkeys(notes))


def _idle(policies: Sequence[PolicyGroup]) -> tuple[str, ...]:
    """Columns that would hold nothing but zeros."""
    unjudged = any(outcome.unjudged for policy in policies for run in policy.runs for outcome in run.problems)
    return () if unjudged else ("unjudged",)


def _without(table: ResultTable, names: Sequence[str]) -> ResultTable:
    kept = [index for index, column in enumerate(table.columns) if column not in names]
    rows = tuple(tuple(row[index] for index in kept) for row in table.rows)
    return ResultTable(tuple(table.columns[index] for index in kept), rows, table.notes)


def _headings(table: ResultTable) -> list[str]:
    return [HEADINGS.get(column, column) for column in table.columns]


def _rows(table: ResultTable, series: Sequence[Series], *, differences: bool = False) -> list[list[TableCell]]:
    """The table's rows in the same order; with `differences`, all but the first are differences."""
    rows = []
    for index, (row, own) in enumerate(zip(table.rows, series, strict=True)):
        signed = differences and index > 0
        cells = [_cell(column, cell, signed=signed) for column, cell in zip(table.columns, row, strict=True)]
        rows.append([TableCell(row[0].text, series=own), *cells[1:]])
    return rows


def _cell(column: str, cell: Cell, *, signed: bool) -> TableCell:
    if column == "majority":
        return TableCell(percent(cell.value))
    if not column.startswith("pass@") or math.isnan(cell.value):
        return TableCell(cell.text)
    if not signed:
        return TableCell(percent(cell.value), f"{100 * cell.low:.1f}\N{EN DASH}{percent(cell.high)}")
    tone = None if not cell.marked else "up" if cell.value > 0 else "down"
    return TableCell(signed_points(cell.value), f"{signed_points(cell.low)} to {signed_points(cell.high)}", tone)


def _crossover(crossover: Crossover) -> TableCell:
    """A number only where nearly all resamples cross, "none" only where nearly none do."""
    share = f"in {crossover.share:.0%} of draws"
    if crossover.share >= SETTLED and not math.isnan(crossover.k):
        return TableCell(f"k = {crossover.k:.0f}", f"{crossover.low:.0f} to {crossover.high:.0f}")
    return TableCell("none" if crossover.share <= 1 - SETTLED else "not settled", share)

"""Where responses are uncertain: by place, by correctness, by class of words and sentences, and against the base."""

import math
from collections.abc import Sequence
from typing import Any

from forage.analysis import Analysis
from forage.analysis.measures.entropy_profile import Bin
from forage.analysis.tables import entropy_table
from forage.core.result_table import Cell
from forage.report.blocks import Block, Figure, Figures, Grid, Prose, Section, TableCell
from forage.report.load import RunGroup, Runs
from forage.report.palette import Series
from forage.report.text import MINUS

RUNS_SHOWN = 4


def section(runs: Runs) -> Section | None:
    analyzed = [(group, analysis) for group in runs.trained if (analysis := _first(group)) is not None]
    if not analyzed:
        return None
    blocks: list[Block] = [
        Figures(figures=[figure], legend=[group.series for group, _ in analyzed], size="wide")
        for figure in [_profile(analyzed)]
        if figure.traces
    ]
    blocks.extend(_table(group, analysis) for group, analysis in analyzed[:RUNS_SHOWN])
    if rare := [text for group, analysis in analyzed[:RUNS_SHOWN] if (text := _rare(group, analysis))]:
        blocks.append(Prose(paragraphs=rare))
    lead = (
        "Entropy as it was recorded while sampling, in nats, over the responses of one training step of the first "
        "analyzed seed of each method. Intervals are 95%, by resampling problems."
    )
    return Section(id="uncertainty", title="Where it is uncertain", lead=lead, blocks=blocks)


def _first(group: RunGroup) -> Analysis | None:
    return next((entry.analysis for entry in group.entries if entry.analysis is not None), None)


def _profile(analyzed: Sequence[tuple[RunGroup, Analysis]]) -> Figure:
    traces: list[dict[str, Any]] = []
    for group, analysis in analyzed:
        traces.extend(_curve(group.series, analysis.profile.right, dashed=False))
        traces.extend(_curve(group.series, analysis.profile.wrong, dashed=True))
    return Figure(
        id="entropy-by-place",
        title="Entropy along the response",
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "place in the response"}, "tickformat": ".0%", "range": [0, 1]},
            "yaxis": {"title": {"text": "nats per token"}, "rangemode": "tozero"},
        },
        how="Solid: right responses; dashed: wrong ones. Peaks are where the policy chooses, usually at the beginning. "
        "Where the dashed line runs above the solid one, being unsure goes with being wrong.",
        misleads="A tenth of a long response is many tokens and of a short one few, so lengths are mixed; right and "
        "wrong responses also differ in their problems. It is a description, not a cause.",
        alt="Line chart of mean entropy against the place in the response, for right and wrong responses.",
        height=340,
    )


def _curve(series: Series, bins: Sequence[Bin], *, dashed: bool) -> list[dict[str, Any]]:
    known = [((bin.low + bin.high) / 2, bin.entropy.estimate) for bin in bins if bin.entropy is not None]
    if len(known) < 2:
        return []
    kind = "wrong" if dashed else "right"
    return [{
        "type": "scatter", "mode": "lines+markers", "name": f"{series.label}, {kind}", "legendgroup": series.key,
        "x": [place for place, _ in known], "y": [value for _, value in known], "hovertemplate": "%{y:.3f}",
        "line": {"color": series.color, "width": 2, "dash": "dash" if dashed else "solid"},
        "marker": {"color": series.color, "size": 6, "symbol": series.mark},
    }]  # fmt: skip


def _table(group: RunGroup, analysis: Analysis) -> Grid:
    table = entropy_table(analysis)
    headings = {"class": "Class", "n": "Number", "share": "Share", "entropy": "Entropy", "of the others": "Others",
                "difference": "Difference"}  # fmt: skip
    rows = [
        [TableCell(row[0].text), *(_cell(cell, signed=column == "difference") for column, cell in zip(
            table.columns[1:], row[1:], strict=True))]
        for row in table.rows
    ]  # fmt: skip
    return Grid(
        title=f"{group.label}, step {analysis.step}: classes against all others",
        columns=[headings[column] for column in table.columns],
        rows=rows,
        how="\N{BLACK UP-POINTING TRIANGLE} and \N{BLACK DOWN-POINTING TRIANGLE} mark differences whose interval "
        "leaves out 0. A class of words counts the first token of each match. The placebo shuffles the entropies "
        "within each response: what is left there comes from whole responses, not from the words. A difference says "
        "that uncertainty sits there, not that more of it would help; one in twenty is marked by chance.",
        notes=[f"Words: {analysis.words}."],
    )


def _cell(cell: Cell, *, signed: bool) -> TableCell:
    if math.isnan(cell.low) or math.isnan(cell.value):
        return TableCell(cell.text.replace("-", MINUS) or "none")
    form = "+.3f" if signed else ".3f"
    low, high = (f"{value:{form}}".replace("-", MINUS) for value in (cell.low, cell.high))
    tone = None if not cell.marked else "up" if cell.value > 0 else "down"
    return TableCell(f"{cell.value:{form}}".replace("-", MINUS), f"{low} to {high}", tone)


def _rare(group: RunGroup, analysis: Analysis) -> str:
    rare = analysis.rare
    if rare is None:
        return ""
    beyond = rare.beyond
    examples = "; ".join(
        f"\N{LEFT DOUBLE QUOTATION MARK}{text[:80]}\N{RIGHT DOUBLE QUOTATION MARK}" for text in rare.examples[:3]
    )
    return (
        f"{group.label}, rare sentences: {beyond.estimate:.0%} ({beyond.low:.0%} to {beyond.high:.0%}) of its "
        f"{rare.sentences} sentences are rarer than nine tenths of held-out base sentences; 10% would be no change. "
        f"The rarest: {examples}. Compared with {analysis.base}; vectors: {rare.embedding}, which judge by spelling "
        "unless they come from a sentence encoder, so a sentence with other numbers already counts as somewhat rare."
    )

"""What learning cost: the share of right responses per sampled token and per minute, values counted."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forage.report.blocks import Block, Figure, Figures, Grid, Section, TableCell
from forage.report.curves import mean_line, smooth, thinned, values_of
from forage.report.load import RunEntry, RunGroup, Runs
from forage.report.text import percent

Line = list[tuple[float, float]]


def tokens_by_step(entry: RunEntry) -> Line:
    """Millions sampled by the end of each step: responses, and the continuations that valued states."""
    return [(step, tokens / 1e6) for step, tokens in values_of(entry, "tokens")]


def minutes_by_step(entry: RunEntry) -> Line:
    total, line = 0.0, []
    for step, seconds in values_of(entry, "seconds"):
        total += seconds / 60
        line.append((step, total))
    return line


AXES: Sequence[tuple[str, str, str, Callable[[RunEntry], Line]]] = (
    ("tokens", "Per sampled token", "million tokens", tokens_by_step),
    ("minutes", "Per minute", "minutes", minutes_by_step),
)
"""(id, title, unit, what each step had cost when it was over)."""


def right_by_step(entry: RunEntry) -> Line:
    """The share of right responses among those that began at the beginning, averaged over a window."""
    fresh = dict(values_of(entry, "fresh_correct"))
    return smooth([(step, fresh.get(step, share)) for step, share in values_of(entry, "correct")])


def section(runs: Runs) -> Section | None:
    groups = [group for group in runs.trained if _entries(group)]
    if not groups:
        return None
    blocks: list[Block] = [
        Figures(
            figures=[_figure(groups, name, title, unit, cost) for name, title, unit, cost in AXES],
            legend=[group.series for group in groups],
            size="small",
        )
    ]
    if len(groups) > 1:
        blocks.append(_at_equal_cost(groups))
    lead = (
        "Methods that value states sample more than their responses, and take longer. Here steps are laid out by what "
        "they had cost: tokens sampled, those of values included, and minutes. The share of right responses is of "
        "training problems, from the beginning; replayed starts are not in it."
    )
    return Section(id="cost", title="What learning cost", lead=lead, blocks=blocks)


def _entries(group: RunGroup) -> list[RunEntry]:
    """The runs whose metrics say what every axis needs."""
    return [entry for entry in group.entries if all(_costed(entry, cost) for *_, cost in AXES)]


def _costed(entry: RunEntry, cost: Callable[[RunEntry], Line]) -> Line:
    """(cost by then, share right) of each step for which both are known."""
    costs = dict(cost(entry))
    return [(costs[step], share) for step, share in right_by_step(entry) if step in costs]


def _figure(groups: Sequence[RunGroup], name: str, title: str, unit: str, cost: Callable[[RunEntry], Line]) -> Figure:
    traces: list[Mapping[str, Any]] = []
    for group in groups:
        entries = _entries(group)
        costs = dict(mean_line([cost(entry) for entry in entries]))
        shares = mean_line([right_by_step(entry) for entry in entries])
        points = thinned([(costs[step], share) for step, share in shares if step in costs])
        traces.append({
            "type": "scatter", "mode": "lines", "name": group.label, "legendgroup": group.series.key,
            "x": [spent for spent, _ in points], "y": [share for _, share in points],
            "line": {"color": group.series.color, "width": 2.2}, "hovertemplate": "%{y:.1%}",
        })  # fmt: skip
    return Figure(
        id=f"cost-{name}",
        title=title,
        traces=traces,
        layout={
            "xaxis": {"title": {"text": unit}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "right, training problems"}, "tickformat": ".0%", "rangemode": "tozero"},
        },
        how="The higher line at one place learned more for that cost. Means over the seeds of a method, step by step."
        + (" Minutes depend on the machine and on what else it did." if name == "minutes" else ""),
        alt=f"Line chart of the share of right responses against {unit}.",
        height=260,
    )


def _at_equal_cost(groups: Sequence[RunGroup]) -> Grid:
    ends = [min(_end(entry, cost) for group in groups for entry in _entries(group)) for *_, cost in AXES]
    rows = []
    for group in groups:
        cells = [TableCell(group.label, series=group.series)]
        for end, (*_, cost) in zip(ends, AXES, strict=True):
            cells.append(_spread([_end(entry, cost) for entry in _entries(group)], "{:.2f}".format))
            cells.append(_spread([_at(_costed(entry, cost), end) for entry in _entries(group)], percent))
        rows.append(cells)
    return Grid(
        title="At equal cost",
        columns=["Method", "Million tokens", f"Right at {ends[0]:.2f}M", "Minutes", f"Right at {ends[1]:.1f} min"],
        rows=rows,
        how="What the whole run cost, and the share of right responses at the largest cost that all runs reached. "
        "Means over seeds; below them the lowest and the highest seed. This is no evaluation: compare pass@k at equal "
        "tokens by ending runs at a budget (`tokens`).",
    )


def _end(entry: RunEntry, cost: Callable[[RunEntry], Line]) -> float:
    return max(spent for spent, _ in _costed(entry, cost))


def _at(line: Line, spent: float) -> float:
    """The share at the last step that cost no more than `spent`; of the first step where all cost more."""
    return next((share for cost, share in reversed(line) if cost <= spent), line[0][1])


def _spread(values: Sequence[float], form: Callable[[float], str]) -> TableCell:
    main = form(sum(values) / len(values))
    return TableCell(main, f"{form(min(values))}\N{EN DASH}{form(max(values))}" if len(values) > 1 else "")

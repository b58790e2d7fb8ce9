"""What the metrics of runs look like as lines: read, averaged over seeds, smoothed, thinned, and drawn by step."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from forage.report.blocks import Figure
from forage.report.load import RunEntry

POINTS = 600
"""At most this many points per line: more cannot be seen, and make the page heavy."""

WINDOW = 0.05
"""Share of the run over which a smooth line averages."""


def values_of(entry: RunEntry, key: str) -> list[tuple[float, float]]:
    """(step, value) where both are finite numbers."""
    pairs = [(row.get("step"), row.get(key)) for row in entry.metrics]
    return [
        (float(step), float(value))
        for step, value in pairs
        if isinstance(step, int | float) and isinstance(value, int | float) and math.isfinite(step + value)
    ]


def mean_line(lines: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """The mean over seeds at each step that all of them reached."""
    by_seed = [dict(line) for line in lines]
    steps = sorted(set.intersection(*(set(line) for line in by_seed)))
    return [(step, math.fsum(line[step] for line in by_seed) / len(by_seed)) for step in steps]


def smooth(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A centered running mean; at the ends it averages what there is of the window."""
    reach = max(int(len(line) * WINDOW / 2), 1) if len(line) > 10 else 0
    means = []
    for index, (step, _) in enumerate(line):
        window = [value for _, value in line[max(index - reach, 0) : index + reach + 1]]
        means.append((step, math.fsum(window) / len(window)))
    return means


def thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every so-many-th point, and the last."""
    stride = -(-len(line) // POINTS)
    kept = list(line[::stride]) if stride else []
    return kept if not line or kept[-1] == line[-1] else [*kept, line[-1]]


def step_figure(
    identity: str, traces: Sequence[Mapping[str, Any]], *, title: str, unit: str, tick_format: str, how: str
) -> Figure:
    """A small picture of lines against the training step, from 0 up."""
    return Figure(
        id=identity,
        title=title,
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "step"}},
            "yaxis": {"title": {"text": unit}, "tickformat": tick_format, "rangemode": "tozero"},
        },
        how=how,
        alt=f"Line chart of {title.lower()} ({unit}) against the training step.",
        height=230,
    )

"""Which entropy goes with solving problems? The path of every run through token entropy, gram entropy and pass@k."""

from collections.abc import Callable, Sequence
from typing import Any

from forage.analysis import Analysis
from forage.analysis.record import StrategyPoint, TrackPoint
from forage.ops.resampling import Interval
from forage.report.blocks import Figure
from forage.report.load import RunGroup


def path_figures(groups: Sequence[RunGroup]) -> list[Figure]:
    """Pass@k on the training problems against token entropy, and against the semantic entropy of grams."""
    token = _figure(
        groups, "token-path", "Token entropy and pass@k", "token entropy, nats per token", lambda at, _: at.entropy
    )
    gram = _figure(
        groups, "gram-path", "Gram entropy and pass@k", "entropy of strategic grams, nats", lambda _, at: at.diversity
    )
    return [figure for figure in (token, gram) if figure is not None]


def _figure(
    groups: Sequence[RunGroup],
    name: str,
    title: str,
    unit: str,
    entropy: Callable[[TrackPoint, StrategyPoint], Interval | None],
) -> Figure | None:
    traces, ks = [], set()
    for group in groups:
        for analysis in (entry.analysis for entry in group.entries if entry.analysis is not None):
            points = _points(analysis, entropy)
            if len(points) > 1:
                traces.append(_trace(group, points))
                ks |= {point.k for point in analysis.track}
    if not traces:
        return None
    k = f"pass@{ks.pop()}" if len(ks) == 1 else "pass@k"
    return Figure(
        id=f"strategy-{name}",
        title=title,
        traces=traces,
        layout={
            "xaxis": {"title": {"text": unit}, "rangemode": "normal"},
            "yaxis": {"title": {"text": f"{k}, training problems"}, "tickformat": ".0%"},
        },
        how="One point for each step with rollouts, joined in their order; the open mark is the first. Compare the two "
        "pictures: the entropy that explains pass@k is the one along which the paths of different runs fall together. "
        "It misleads where both simply move with time, as they do in a single run; and each point has other problems.",
        alt=f"Paths of {k} against {unit}, a point for each step.",
        height=300,
    )


def _points(
    analysis: Analysis, entropy: Callable[[TrackPoint, StrategyPoint], Interval | None]
) -> list[tuple[int, float, float]]:
    """(step, entropy, pass@k) where both are known."""
    strategies = {point.step: point for point in analysis.strategy}
    return [
        (track.step, value.estimate, track.pass_at_k.estimate)
        for track in analysis.track
        if track.step in strategies
        and track.pass_at_k is not None
        and (value := entropy(track, strategies[track.step])) is not None
    ]


def _trace(group: RunGroup, points: Sequence[tuple[int, float, float]]) -> dict[str, Any]:
    series = group.series
    open_first = [f"{series.mark}-open", *[series.mark] * (len(points) - 1)]
    return {
        "type": "scatter", "mode": "lines+markers", "name": series.label, "legendgroup": series.key,
        "x": [value for _, value, _ in points], "y": [solved for _, _, solved in points],
        "text": [f"step {step}" for step, _, _ in points],
        "hovertemplate": "%{text}: %{x:.3f} nats, %{y:.0%}",
        "line": {"color": series.color, "width": 1.5},
        "marker": {"color": series.color, "size": 8, "symbol": open_first},
    }  # fmt: skip

"""Curves over k, as pass@k and distinct@k are drawn: lines with bands, error bars, and the axis of k."""

from collections.abc import Mapping, Sequence
from typing import Any

from forage.evaluation.bootstrap import Interval
from forage.report.palette import Series
from forage.report.select import Results

Trace = Mapping[str, Any]


def line(
    series: Series,
    ks: Sequence[int],
    curve: Sequence[Interval],
    *,
    width: float,
    marked: bool = True,
    form: str = ".1%",
) -> Trace:
    return {
        "type": "scatter", "mode": "lines+markers" if marked else "lines",
        "name": series.label, "legendgroup": series.key,
        "x": list(ks), "y": [point.estimate for point in curve],
        "customdata": [[point.low, point.high] for point in curve],
        "line": {"color": series.color, "width": width, "dash": series.dash},
        "marker": {"color": series.color, "size": 7, "symbol": series.mark},
        "hovertemplate": f"{plain(series.label)}: %{{y:{form}}} "
        f"[%{{customdata[0]:{form}}}, %{{customdata[1]:{form}}}]<extra></extra>",
    }  # fmt: skip


def band(series: Series, ks: Sequence[int], curve: Sequence[Interval]) -> Trace:
    """A closed outline: up along the upper ends, back along the lower ones."""
    return {
        "type": "scatter", "mode": "lines", "fill": "toself", "hoverinfo": "skip", "legendgroup": series.key,
        "x": [*ks, *reversed(ks)],
        "y": [*(point.high for point in curve), *(point.low for point in reversed(curve))],
        "line": {"width": 0.8, "color": series.faded(0.3)}, "fillcolor": series.faded(0.1),
    }  # fmt: skip


def errors(points: Sequence[Interval], series: Series) -> Mapping[str, Any]:
    return {
        "type": "data", "symmetric": False, "thickness": 1, "width": 0, "color": series.faded(0.55),
        "array": [point.high - point.estimate for point in points],
        "arrayminus": [point.estimate - point.low for point in points],
    }  # fmt: skip


def k_axis(results: Results) -> Mapping[str, Any]:
    ks = max((policy.curve_ks for policy in (*results.policies, *results.controls)), key=len)
    return {
        "type": "log",
        "title": {"text": "k, samples per problem (doubling)"},
        "tickvals": list(ks),
        "ticktext": [str(k) for k in ks],
        "tickangle": 0,
    }


def noisy_zone(results: Results, start: float) -> Mapping[str, Any]:
    end = max(policy.curve_ks[-1] for policy in results.policies)
    if end <= start:
        return {}
    zone = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1,
        "fillcolor": "$muted@0.08", "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    return {"shapes": [zone]}


def plain(text: str) -> str:
    """A label inside a hover template, where plotly gives meaning to `<`, `%` and `{`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%", "&#37;").replace("{", "(").replace("}", ")")

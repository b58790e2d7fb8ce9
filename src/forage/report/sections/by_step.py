"""Pass@k of the checkpoints on the way, where a run was evaluated after several of its steps."""

from collections.abc import Sequence
from typing import Any

from forage.evaluation.bootstrap import Interval
from forage.evaluation.estimate import pass_curve
from forage.evaluation.evaluation import Evaluation
from forage.report.blocks import Figure, Figures
from forage.report.load import RunEntry, RunGroup, Runs
from forage.report.palette import Series
from forage.report.select import Results

Curve = list[tuple[int, Interval]]


def figures_by_step(runs: Runs, results: Results) -> Figures | None:
    """Pass@1 and pass@k, k the largest of the tables, against the training step; the base stands at step 0.

    None where no group was evaluated after at least two steps.
    """
    steps = {group.series.key: _evaluations(group, results) for group in runs.trained}
    shown = [group for group in runs.trained if len(steps[group.series.key]) > 1]
    if not shown:
        return None
    fewest = min(run.n for group in shown for evaluations in steps[group.series.key].values() for run in evaluations)
    ks = sorted({1, max(k for k in results.ks if k <= fewest)})
    start = {0: list(results.base.runs)} if results.base else {}
    figures = []
    for k in ks:
        traces: list[dict[str, Any]] = []
        for group in shown:
            traces.extend(_traces(group.series, _curve({**start, **steps[group.series.key]}, k)))
        figures.append(_figure(k, traces, with_base=bool(start)))
    return Figures(figures=figures, legend=[group.series for group in shown], size="small")


def _evaluations(group: RunGroup, results: Results) -> dict[int, list[Evaluation]]:
    """Step -> one evaluation per directory, of the steps that every evaluated directory of the group has."""
    by_entry = [by_step for entry in group.entries if (by_step := _of_entry(entry, results))]
    shared = set.intersection(*(set(by_step) for by_step in by_entry)) if by_entry else set()
    return {step: [by_step[step] for by_step in by_entry] for step in sorted(shared)}


def _of_entry(entry: RunEntry, results: Results) -> dict[int, Evaluation]:
    """Step -> the evaluation of the most samples that answers the question of the curves."""
    problems = {outcome.problem for outcome in results.policies[0].runs[0].problems}
    by_step: dict[int, Evaluation] = {}
    for run in sorted(entry.evaluations, key=lambda run: run.n):
        params = run.params
        same = (params.temperature, params.top_p, params.top_k) == (results.temperature, 1.0, 0)
        fits = run.split == results.split and {outcome.problem for outcome in run.problems} == problems
        if run.step is not None and same and fits:
            by_step[run.step] = run
    return by_step


def _curve(steps: dict[int, list[Evaluation]], k: int) -> Curve:
    return [(step, pass_curve(runs, (k,))[0]) for step, runs in sorted(steps.items())]


def _traces(series: Series, curve: Curve) -> Sequence[dict[str, Any]]:
    steps = [step for step, _ in curve]
    band = {
        "type": "scatter", "mode": "lines", "fill": "toself", "hoverinfo": "skip", "legendgroup": series.key,
        "x": [*steps, *reversed(steps)],
        "y": [*(value.high for _, value in curve), *(value.low for _, value in reversed(curve))],
        "line": {"width": 0}, "fillcolor": series.faded(0.12),
    }  # fmt: skip
    line = {
        "type": "scatter", "mode": "lines+markers", "name": series.label, "legendgroup": series.key,
        "x": steps, "y": [value.estimate for _, value in curve], "hovertemplate": "%{y:.1%}",
        "line": {"color": series.color, "width": 2},
        "marker": {"color": series.color, "size": 6, "symbol": series.mark},
    }  # fmt: skip
    return [band, line]


def _figure(k: int, traces: Sequence[dict[str, Any]], *, with_base: bool) -> Figure:
    return Figure(
        id=f"pass-{k}-by-step",
        title=f"Pass@{k} by step",
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "step"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": f"pass@{k}"}, "tickformat": ".0%"},
        },
        how=("Step 0 is the base. " if with_base else "")
        + "Each point is a checkpoint, evaluated on the same test problems, so neighbors share the luck of the "
        "problems and their bands may overlap although one is better. The best of several steps is not a result: "
        "it was chosen after looking.",
        alt=f"Line chart of pass@{k} on the test problems against the training step, with bands.",
        height=260,
    )

"""Pass@k: the curves, their difference from the base, and what sampling the base colder does."""

from collections.abc import Sequence
from itertools import count

from forage.evaluation.compare import compare
from forage.evaluation.estimate import pass_curve
from forage.report.blocks import Block, Figure, Figures, Prose, Section
from forage.report.k_curves import Trace, band, errors, k_axis, line, noisy_zone, plain
from forage.report.load import Runs
from forage.report.palette import Series
from forage.report.sections.by_step import figures_by_step
from forage.report.select import PolicyGroup, Results, gather_results

DASHES = ("dash", "dot", "dashdot")


def section(runs: Runs) -> Section:
    results = gather_results(runs)
    if results is None:
        missing = (
            "There are no evaluations in these directories yet, so there are no curves. Make them with `forage eval`."
        )
        return Section(id="passk", title="Pass@k", blocks=[Prose(paragraphs=[missing])])
    controls = _base_controls(results)
    figures = [_curves(results, controls)]
    if results.base and results.trained:
        figures.append(_differences(results, results.base))
    if len({policy.temperature for policy in results.controls}) and results.base:
        figures.append(_trade(results))
    legend = [policy.series for policy in results.policies]
    legend[1:1] = [series for series, _ in controls]
    lead = (
        "How likely is at least one right answer among k samples? Small k asks how good the policy is; large k asks "
        "how much it can still find. Training that sharpens raises the left end and may lower the right one."
    )
    blocks: list[Block] = [Figures(figures=figures, legend=legend)]
    if on_the_way := figures_by_step(runs, results):
        blocks.append(on_the_way)
    return Section(id="passk", title="Pass@k", lead=lead, blocks=blocks)


def _base_controls(results: Results) -> list[tuple[Series, PolicyGroup]]:
    dashes = count()
    return [
        (
            Series(
                key=f"{control.series.key}T{control.temperature:g}".replace(".", "_"),
                label=f"{control.label}, T = {control.temperature:g}",
                slot=control.series.slot,
                dash=DASHES[next(dashes) % len(DASHES)],
            ),
            control,
        )
        for control in results.base_controls
    ]


def _curves(results: Results, controls: Sequence[tuple[Series, PolicyGroup]]) -> Figure:
    traces: list[Trace] = []
    for series, policy in controls:
        curve = pass_curve(policy.runs, policy.curve_ks)
        traces.append(line(series, policy.curve_ks, curve, width=1.5, marked=False))
    for policy in results.policies:
        curve = pass_curve(policy.runs, policy.curve_ks)
        traces.append(band(policy.series, policy.curve_ks, curve))
        traces.append(line(policy.series, policy.curve_ks, curve, width=2.5))
    noisy = min(policy.n for policy in results.policies) / 2
    return Figure(
        id="pass-at-k",
        title="Solved within k samples",
        traces=traces,
        layout={
            "xaxis": k_axis(results),
            "yaxis": {"title": {"text": "pass@k"}, "tickformat": ".0%", "range": [0, 1.02]},
            **noisy_zone(results, noisy),
        },
        how="Each line is the mean over problems of the unbiased pass@k estimate; k doubles from tick to tick. Bands "
        "are 95% intervals. Where a trained curve drops below the base, training took away solutions that the base "
        "could still find.",
        misleads="Bands of two policies may overlap although they differ: both share the same problems, so look at the "
        "differences below. Guessing raises large k where answers are few. In the shaded zone k is more than half of "
        "the samples, where the estimate for each problem is noisy.",
        alt="Line chart of pass@k against k on a logarithmic axis, one line with a band for each policy.",
        height=440,
    )


def _differences(results: Results, base: PolicyGroup) -> Figure:
    traces: list[Trace] = []
    for policy in results.trained:
        ks = tuple(k for k in policy.curve_ks if k <= base.n)
        difference = compare(base.runs, policy.runs, ks=ks).difference
        traces.append(band(policy.series, ks, difference))
        traces.append(line(policy.series, ks, difference, width=2.5, form="+.1%"))
    return Figure(
        id="pass-difference",
        title="Gained and lost against the base",
        traces=traces,
        layout={
            "xaxis": k_axis(results),
            "yaxis": {"title": {"text": "pass@k minus base"}, "tickformat": "+.0%", "zeroline": True},
        },
        how="Above zero, the policy solves more than the base with k samples; below, less. A band that leaves out zero "
        "is a difference beyond noise: of the problems, and of the seeds where there are several.",
        misleads="With a single seed the band knows nothing of how runs differ, and is too narrow for claims about a "
        "method. Many k are shown at once, so one band edge near zero means little.",
        alt="Line chart of the difference in pass@k between each trained policy and the base, with bands.",
        height=360,
    )


def _trade(results: Results) -> Figure:
    """Pass@1 against pass@K along the temperatures: a policy beyond the base's path did more than sharpen."""
    k = results.ks[-1]
    everyone = [policy for policy in (*results.policies, *results.controls) if policy.n >= k]
    traces = []
    for group in dict.fromkeys(policy.series for policy in everyone):
        members = sorted((p for p in everyone if p.series == group), key=lambda policy: -policy.temperature)
        curves = [pass_curve(policy.runs, (1, k)) for policy in members]
        traces.append({
            "type": "scatter", "mode": "lines+markers+text", "legendgroup": group.key, "name": group.label,
            "x": [curve[0].estimate for curve in curves], "y": [curve[1].estimate for curve in curves],
            "error_x": errors([curve[0] for curve in curves], group),
            "error_y": errors([curve[1] for curve in curves], group),
            "text": [f"T {policy.temperature:g}" for policy in members],
            "textposition": "top right", "textfont": {"size": 11, "color": "$muted"},
            "line": {"color": group.color, "width": 1.5, "dash": "dot"},
            "marker": {"color": group.color, "size": 9, "symbol": group.mark},
            "hovertemplate": f"%{{text}}<br>pass@1 %{{x:.1%}}<br>pass@{k} %{{y:.1%}}"
            f"<extra>{plain(group.label)}</extra>",
        })  # fmt: skip
    return Figure(
        id="temperature-control",
        title="Is it more than sampling colder?",
        traces=traces,
        layout={
            "hovermode": "closest",
            "xaxis": {"title": {"text": "pass@1"}, "tickformat": ".0%"},
            "yaxis": {"title": {"text": f"pass@{k}"}, "tickformat": ".0%"},
        },
        how="Each point is a policy at one sampling temperature T; crosses are 95% intervals. Sampling colder usually "
        "leads to the right, and far enough also down: better first answers, fewer different ones. A policy above and "
        "to the right of the base's path gained something that no temperature gives.",
        misleads="Points near the base's path may lie on either side by chance, and the path between two temperatures "
        "is a guess. Policies without other temperatures are shown as a single point.",
        alt=f"Scatter chart of pass@{k} against pass@1 for each policy and temperature.",
        height=400,
    )

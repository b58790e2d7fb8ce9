"""How many ways of being right each policy still knows: distinct@k, PCMD, and what they say in words."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from forage.evaluation.diversity import Diversity, DiversityChange, compare_diversity, has_modes, measure_diversity
from forage.report.blocks import Block, Figure, Figures, Section, Statement, Statements
from forage.report.k_curves import Trace, band, errors, k_axis, line, noisy_zone, plain
from forage.report.load import Runs
from forage.report.select import PolicyGroup, Results, gather_results
from forage.report.text import SHOWN_K, count, difference, name, number, percent, tone_of, verdict

TITLE = "How many ways each policy still knows"

LEAD = (
    "A problem can have several right answers, or several ways to one. Two policies may be right equally often though "
    "one of them knows a single way and the other one many. What is lost here is missed later, on problems where only "
    "a rare way works."
)


def section(runs: Runs) -> Section | None:
    """None where no evaluation counted the ways of being right: the task distinguishes none."""
    results = gather_results(runs)
    if results is None:
        return None
    known = [policy for policy in results.policies if has_modes(policy.runs)]
    if not known:
        return None
    measured = {policy.label: measure(policy) for policy in known}
    figures = Figures(
        figures=[_distinct(results, known, measured), _pairs(known, measured)],
        legend=[policy.series for policy in known],
    )
    blocks: list[Block] = [figures, Statements(title="In words", items=_sentences(results, known, measured))]
    return Section(id="ways", title=TITLE, lead=LEAD, blocks=blocks)


def measure(policy: PolicyGroup) -> Diversity:
    diversity = measure_diversity(policy.runs, policy.curve_ks)
    assert diversity is not None
    return diversity


def _distinct(results: Results, known: Sequence[PolicyGroup], measured: dict[str, Diversity]) -> Figure:
    traces: list[Trace] = []
    for policy in known:
        curve = measured[policy.label].distinct
        traces.append(band(policy.series, policy.curve_ks, curve))
        traces.append(line(policy.series, policy.curve_ks, curve, width=2.5, form=".2f"))
    return Figure(
        id="distinct-at-k",
        title="Different right ways within k samples",
        traces=traces,
        layout={
            "xaxis": k_axis(results),
            "yaxis": {"title": {"text": "distinct@k"}, "rangemode": "tozero"},
            **noisy_zone(results, min(policy.n for policy in known) / 2),
        },
        how="Each line is the expected number of different ways of being right among k samples, as a mean over "
        "problems. At k = 1 it is pass@1. A line that keeps rising belongs to a policy that keeps finding ways; a "
        "flat one has shown what it knows. Bands are 95% intervals.",
        misleads="A policy that is right more often also shows more ways: read it with the picture below, which looks "
        "at right answers only. Problems differ in how many ways they have, so the height says little by itself.",
        alt="Line chart of the number of different right ways among k samples against k, with a band per policy.",
        height=400,
    )


def _pairs(known: Sequence[PolicyGroup], measured: dict[str, Diversity]) -> Figure:
    traces: list[Trace] = []
    for policy in reversed(known):
        series, point = policy.series, measured[policy.label].pcmd
        if math.isnan(point.estimate):
            continue
        traces.append({
            "type": "scatter", "mode": "markers", "name": series.label, "legendgroup": series.key,
            "x": [point.estimate], "y": [plain(series.label)], "error_x": {**errors([point], series), "thickness": 2},
            "marker": {"color": series.color, "size": 11, "symbol": series.mark},
            "customdata": [[point.low, point.high]],
            "hovertemplate": "%{x:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}]<extra></extra>",
        })  # fmt: skip
    return Figure(
        id="pcmd",
        title="Do two right answers go different ways?",
        traces=traces,
        layout={
            "hovermode": "closest",
            "xaxis": {
                "title": {"text": "PCMD: chance that two right answers differ"},
                "tickformat": ".0%",
                "range": [0, 1.02],
            },
            "yaxis": {"automargin": True, "type": "category"},
        },
        how="Take two right answers of a policy to one problem: how likely is it that they go different ways? At 0% it "
        "knows one way for each problem, whatever its accuracy. Lines are 95% intervals.",
        misleads="It needs two right answers to a problem, so each policy is measured on the problems that it solves. "
        "The sentences below compare on problems that both sides solve.",
        alt="Dot chart with one row for each policy: the chance that two of its right answers differ in their way.",
        height=110 + 46 * len(known),
    )


def _sentences(results: Results, known: Sequence[PolicyGroup], measured: dict[str, Diversity]) -> list[Statement]:
    base = results.base if results.base in known else None
    if base is None:
        return [Statement(_alone(policy, measured[policy.label])) for policy in known]
    changes = [(policy, compare_diversity(base.runs, policy.runs, _sentence_ks(base, policy))) for policy in known]
    return [
        Statement(_alone(base, measured[base.label])),
        *(
            Statement(_against(base, policy, change), tone_of(change.pcmd))
            for policy, change in changes
            if change is not None and policy is not base
        ),
    ]


def _sentence_ks(base: PolicyGroup, policy: PolicyGroup) -> tuple[int, ...]:
    return (max(k for k in base.curve_ks if k <= min(SHOWN_K, policy.n)),)


def _alone(policy: PolicyGroup, diversity: Diversity) -> Markup:
    k = max(k for k in diversity.ks if k <= SHOWN_K)
    ways = diversity.distinct[diversity.ks.index(k)].estimate
    return Markup("{}: {} {} different right ways on average{}.").format(
        name(policy.label), count(k, "sample shows", "samples show"), number(ways), _pair_words(diversity)
    )


def _pair_words(diversity: Diversity) -> str:
    if math.isnan(diversity.pcmd.estimate):
        return "; it was never right twice on one problem, so whether its right answers differ is not known"
    return f"; two right answers to one problem differ in {percent(diversity.pcmd.estimate)} of pairs"


def _against(base: PolicyGroup, policy: PolicyGroup, change: DiversityChange) -> Markup:
    ways = change.distinct[0]
    low, high = (number(end, "+.2f") for end in (ways.low, ways.high))
    text = Markup("{}, within {}: {} ways [{}, {}] against {}.").format(
        name(policy.label), count(change.ks[0], "sample"), number(ways.estimate, "+.2f"), low, high, name(base.label)
    )
    if not change.eligible:
        return text + " On no problem were both right twice, so pairs of right answers cannot be compared."
    return text + Markup(
        " On the {} that both solve twice, two right answers differ in {} of pairs, {} in {}: {}, {}."
    ).format(
        count(change.eligible, "problem"),
        percent(change.other_pcmd.estimate),
        name(base.label),
        percent(change.base_pcmd.estimate),
        difference(change.pcmd),
        verdict(change.pcmd),
    )

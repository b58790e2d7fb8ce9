"""Strategies over training: how many there are, how sure planning and execution are, and what they solve."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from forage.analysis import Analysis
from forage.analysis.record import ReferencePoint, StrategyPoint, TrackPoint
from forage.analysis.tables import fixed_text_sentence
from forage.ops.resampling import Interval
from forage.report.blocks import Block, Figure, Figures, Prose, Section, Statement, Statements
from forage.report.load import RunEntry, RunGroup, Runs
from forage.report.palette import SLOTS, Series
from forage.report.sections.paths import path_figures

Point = TrackPoint | StrategyPoint | ReferencePoint
Value = Interval | float | None
Trace = dict[str, Any]

GRAMS_SHOWN = 7
RUNS_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One number of every point. Panels with two lines draw the second one dashed; `note` says which is which."""

    value: Callable[[Any], Value]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    id: str
    title: str
    unit: str
    lines: tuple[Curve, ...]
    how: str
    of: str = "track"
    format: str = ""


PANELS = (
    Chart(id="gram-entropy", title="Diversity of strategies", unit="nats", of="strategy",
          lines=(Curve(value=lambda p: p.diversity),), how="The semantic entropy of strategic grams. Up: grams are "
          "used more evenly, so more strategies are in play. It misleads where the list of grams is short or fits "
          "another model, and it says nothing about whether a strategy was any good. Corrected for small "
          "counts; the bands are 95% over problems."),
    Chart(id="token-entropy", title="Token entropy", unit="nats per token", lines=(Curve(value=lambda p: p.entropy),),
          how="Read it beside the diversity of strategies: token entropy may fall, as execution becomes routine, while "
          "strategies spread; a fall of both is collapse."),
    Chart(id="train-pass", title="Solved on training problems", unit="share of problems", format=".0%",
          lines=(Curve(value=lambda p: p.pass_at_k, note="solid: pass@k"),
                 Curve(value=lambda p: p.pass_at_1, note="dashed: pass@1")),
          how="If diversity is of use, the solid line (pass@k, k at most half the siblings) keeps away from the "
          "dashed one (pass@1). Each step has other problems: small steps up and down are luck of the draw."),
    Chart(id="distinct", title="Different strategies per problem", unit="sequences of grams", of="strategy",
          lines=(Curve(value=lambda p: p.strategies),), how="Expected number of different sequences of grams among "
          "equally many responses to a problem. Its limit is that number of responses; long responses rarely repeat a "
          "sequence, so growth may be nothing but length."),
    Chart(id="relative-perplexity", title="Perplexity against the first step", unit="ratio", of="strategy",
          lines=(Curve(value=lambda p: p.perplexity_planning, note="solid: planning"),
                 Curve(value=lambda p: p.perplexity_execution, note="dashed: execution")),
          how="Below 1: the policy became surer of these tokens. The claim of two phases is a dashed line that falls "
          "and then stays while strategies spread. Measured on the policy's own texts, which change with it: compare "
          "the fixed text where there is one."),
    Chart(id="fixed-text", title="Perplexity of a fixed text", unit="ratio to the start", of="reference",
          lines=(Curve(value=lambda p: p.planning, note="solid: planning"),
                 Curve(value=lambda p: p.execution, note="dashed: execution")),
          how="The same correct responses, read by every checkpoint that was kept. Below 1: surer of them than before "
          "training. Where the curve of own texts falls and this one does not, it is the texts that became simpler. "
          "It rises where the policy leaves that way of writing, which is not forgetting."),
    Chart(id="next-words", title="What follows a gram", unit="nats", of="strategy",
          lines=(Curve(value=lambda p: p.following),), how="Entropy of the 3 words after a gram, given the gram. "
          "Down: after a gram the policy continues in the same way. At "
          "an equal number of pairs for all steps; with few pairs nearly every continuation is new and the line is "
          "flat near its ceiling."),
    Chart(id="planning-share", title="Planning tokens", unit="share of tokens", of="strategy", format=".0%",
          lines=(Curve(value=lambda p: p.planning_share),), how="Neither direction is good by itself. A method that "
          "pays for planning words may raise it without better plans: look for the pass@k that should come with it."),
    Chart(id="planning-entropy", title="Planning less execution", unit="nats per token", of="strategy",
          lines=(Curve(value=lambda p: p.entropy.difference),), how="Above 0: the choices are made at planning tokens. "
          "The difference depends on the list of grams as much as on the policy."),
    Chart(id="repetition", title="Repetition", unit="share of 4-grams", format=".0%",
          lines=(Curve(value=lambda p: p.repetition),), how="Share of runs of 4 words that stood in the same "
          "response before. Down is good. A rise with length is a text that runs in "
          "circles, whatever its entropy."),
)  # fmt: skip


def section(runs: Runs) -> Section | None:
    if not any(entry.rollouts for entry in runs.entries):
        return None
    title = "Strategies"
    groups = [group for group in runs.trained if any(entry.analysis for entry in group.entries)]
    if not groups:
        text = (
            "These runs have not been analyzed: `forage analyze RUN` reads their rollouts. Build the report after it."
        )
        return Section(id="strategy", title=title, blocks=[Prose(paragraphs=[text])])
    figures = [figure for panel in PANELS if (figure := _figure(groups, panel)) is not None]
    blocks: list[Block] = []
    if paths := path_figures(groups):
        blocks.append(Figures(figures=paths, legend=[group.series for group in groups], size="small"))
    if figures:
        blocks.append(Figures(figures=figures, legend=[group.series for group in groups], size="small"))
    else:
        blocks.append(Prose(paragraphs=["Curves need the rollouts of at least two steps; these runs kept one."]))
    if grams := [figure for group in groups[:RUNS_SHOWN] if (figure := _grams(group)) is not None]:
        blocks.append(Figures(figures=grams, size="small"))
    blocks.extend(_statements(group) for group in groups)
    lead = (
        "From the responses that the runs kept, a line for each analyzed run. Strategic grams are phrases that "
        "announce a step of reasoning; the tokens in them are planning, all others execution."
    )
    return Section(id="strategy", title=title, lead=lead, blocks=blocks)


def _analyses(group: RunGroup) -> list[tuple[RunEntry, Analysis]]:
    return [(entry, entry.analysis) for entry in group.entries if entry.analysis is not None]


def _series(analysis: Analysis, panel: Chart) -> Sequence[Point]:
    if panel.of == "reference":
        return analysis.reference.points if analysis.reference else ()
    return analysis.track if panel.of == "track" else analysis.strategy


def _figure(groups: Sequence[RunGroup], panel: Chart) -> Figure | None:
    traces: list[Trace] = []
    for group in groups:
        for _, analysis in _analyses(group):
            points = _series(analysis, panel)
            for number, line in enumerate(panel.lines):
                traces.extend(_traces(group.series, points, line, panel, dashed=number > 0))
    if not traces:
        return None
    notes = "; ".join(line.note for line in panel.lines if line.note)
    return Figure(
        id=f"strategy-{panel.id}",
        title=panel.title,
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "step"}},
            "yaxis": {"title": {"text": panel.unit}, "tickformat": panel.format},
        },
        how=panel.how,
        alt=f"Line chart of {panel.title.lower()} ({panel.unit}) against the training step"
        + (f"; {notes}." if notes else "."),
        height=230,
    )


def _traces(series: Series, points: Sequence[Point], line: Curve, panel: Chart, *, dashed: bool) -> list[Trace]:
    """A band where there are intervals, and a line; nothing for fewer than two known points."""
    known = [(point.step, value) for point in points if (value := _interval(line.value(point))) is not None]
    if len(known) < 2:
        return []
    steps = [step for step, _ in known]
    form = panel.format or ".3~g"
    name = f"{series.label}, {line.note.partition(': ')[2]}" if line.note else series.label
    traces: list[Trace] = [{
        "type": "scatter", "mode": "lines+markers", "name": name, "legendgroup": series.key,
        "x": steps, "y": [value.estimate for _, value in known], "hovertemplate": f"%{{y:{form}}}",
        "line": {"color": series.color, "width": 2, "dash": "dash" if dashed else "solid"},
        "marker": {"color": series.color, "size": 5, "symbol": series.mark},
    }]  # fmt: skip
    if not dashed and all(value.high > value.low or value.estimate == value.low for _, value in known):
        traces.insert(0, {
            "type": "scatter", "mode": "lines", "fill": "toself", "hoverinfo": "skip", "legendgroup": series.key,
            "x": [*steps, *reversed(steps)],
            "y": [*(value.high for _, value in known), *(value.low for _, value in reversed(known))],
            "line": {"width": 0}, "fillcolor": series.faded(0.12),
        })  # fmt: skip
    return traces


def _interval(value: Value) -> Interval | None:
    if value is None or isinstance(value, Interval):
        return value if value is None or math.isfinite(value.estimate) else None
    return Interval(value, math.nan, math.nan) if math.isfinite(value) else None


def _grams(group: RunGroup) -> Figure | None:
    """How often the most common grams occur, over the training of the group's first analyzed run."""
    entry, analysis = _analyses(group)[0]
    if len(analysis.strategy) < 2:
        return None
    shares: dict[str, list[float]] = {}
    for point in analysis.strategy:
        for name, _ in point.common:
            shares.setdefault(name, [])
    for point in analysis.strategy:
        counts = dict(point.common)
        for name, values in shares.items():
            values.append(counts.get(name, 0) / max(point.responses, 1))
    ranked = sorted(shares.items(), key=lambda item: -sum(item[1]))[:GRAMS_SHOWN]
    palette = [Series(key=f"gram{slot}", label=name, slot=slot % SLOTS) for slot, (name, _) in enumerate(ranked, 1)]
    traces: list[Trace] = [
        {
            "type": "scatter", "mode": "lines+markers", "name": series.label.replace("<", "&lt;"),
            "x": [point.step for point in analysis.strategy], "y": values,
            "line": {"color": series.color, "width": 1.8},
            "marker": {"color": series.color, "size": 6, "symbol": series.mark},
            "hovertemplate": "%{y:.2f}",
        }
        for series, (_, values) in zip(palette, ranked, strict=True)
    ]  # fmt: skip
    return Figure(
        id=f"grams-{group.series.key}",
        title=f"Grams of {group.label}",
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "step"}},
            "yaxis": {"title": {"text": "per response"}, "rangemode": "tozero"},
            "showlegend": True,
            "legend": {"orientation": "h", "y": -0.28, "font": {"size": 11}},
            "margin": {"l": 44, "r": 8, "t": 6, "b": 90},
        },
        how=f"Occurrences per response of the most common grams (a cluster by its first phrase), in {entry.path.name}. "
        "A gram that takes over is a habit, not yet a strategy. Longer responses hold more of everything.",
        alt=f"Line chart of how often the most common grams occur per response of {group.label} over training.",
        height=330,
    )


def _statements(group: RunGroup) -> Statements:
    """Alarms, and what can be said about phases."""
    items = []
    for entry, analysis in _analyses(group):
        where = f"{entry.path.name}: " if len(_analyses(group)) > 1 else ""
        items.extend(Statement(where + alarm.sentence(), "caution") for alarm in analysis.alarms)
        if not analysis.alarms:
            items.append(Statement(f"{where}No collapse and no explosion of entropy was seen."))
        if analysis.phases:
            items.append(Statement(f"{where}On its own texts. {analysis.phases.sentence()}"))
        if analysis.reference:
            items.append(Statement(where + fixed_text_sentence(analysis.reference)))
        if analysis.grams:
            items.append(Statement(
                f"{where}Grams: {len(analysis.grams.grams)} from {analysis.grams.source} (id {analysis.grams.id}), "
                f"counted by {analysis.grams.support}."
            ))  # fmt: skip
    title = f"{group.label}: alarms and phases"
    return Statements(title=title, items=items, series=group.series)

"""Process reward models: what choosing with them is worth, whether scores mean what they say, reward hacking."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forage.analysis.measures.reward_hacking import hacking_alarm, judgeable
from forage.evaluation.names import homes
from forage.report.blocks import (
    Block,
    Figure,
    Figures,
    ScoredSolution,
    ScoredStep,
    Section,
    Solutions,
    Statement,
    Statements,
)
from forage.report.load import Runs
from forage.report.palette import SLOTS, Series
from forage.report.text import count, percent

FOLDER = "process"
"""Where `forage prm rank` leaves its files in a run directory or a model folder."""

FORMAT = "forage ranking 1"

Row = Mapping[str, Any]


def section(runs: Runs) -> Section | None:
    """None where no run had a process reward and nothing was ranked."""
    rankings = [(path, row) for entry in runs.entries for path, row in read_rankings(entry.path)]
    blocks: list[Block] = []
    if watch := _watch(runs):
        blocks.append(watch)
    for number, (path, row) in enumerate(rankings):
        series = [
            Series(key=f"prm{number}-{at}", label=name, slot=at, dash="dot" if at >= SLOTS else "solid")
            for at, name in enumerate(row["curves"])
        ]
        figures = [_curves(number, row, series)]
        if row.get("reliability"):
            figures.append(_reliability(number, row))
        blocks.append(Figures(figures=figures, legend=series))
        if row.get("choices"):
            blocks.append(_solutions(path, row))
    if not blocks:
        return None
    lead = (
        "A process reward model scores every step of a solution. It can choose among samples, and it can be a reward; "
        "only the verifier says what either is worth."
    )
    return Section(id="process", title="Process rewards", lead=lead, blocks=blocks)


def read_rankings(directory: Path) -> list[tuple[Path, Row]]:
    """The files of `forage prm rank` in a directory; what is none of them is passed over."""
    rankings = []
    for path in sorted(path for home in homes(directory) for path in (home / FOLDER).glob("*.json")):
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(row, dict) and row.get("format") == FORMAT:
            rankings.append((path, row))
    return rankings


def _watch(runs: Runs) -> Statements | None:
    items = []
    for entry in runs.entries:
        if any("process" in row for row in entry.metrics):
            alarm = hacking_alarm(entry.metrics)
            if alarm:
                text = alarm.sentence()
            elif judgeable(entry.metrics):
                text = "no sign of reward hacking."
            else:
                text = "too few steps to say whether the process reward is being hacked."
            items.append(Statement(f"{entry.path.name}: {text}", "caution" if alarm else "level"))
    return Statements(title="Process reward against verified accuracy", items=items) if items else None


def _curves(number: int, row: Row, series: Sequence[Series]) -> Figure:
    ns, traces = row["ns"], []
    for each, points in zip(series, row["curves"].values(), strict=True):
        known = [(n, *point) for n, point in zip(ns, points, strict=True) if None not in point]
        x = [n for n, *_ in known]
        traces.append({
            "type": "scatter", "mode": "lines", "fill": "toself", "hoverinfo": "skip", "legendgroup": each.key,
            "x": [*x, *reversed(x)], "y": [*(high for *_, high in known), *(low for _, _, low, _ in reversed(known))],
            "line": {"width": 0.8, "color": each.faded(0.3)}, "fillcolor": each.faded(0.08),
        })  # fmt: skip
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": each.label, "legendgroup": each.key,
            "x": x, "y": [level for _, level, _, _ in known],
            "line": {"color": each.color, "width": 2.2, "dash": each.dash},
            "marker": {"color": each.color, "size": 7, "symbol": each.mark},
            "hovertemplate": f"{each.label}: %{{y:.1%}}<extra></extra>",
        })  # fmt: skip
    return Figure(
        id=f"process-curves-{number}",
        title=f"Choosing one of n samples of {row.get('policy', 'the policy')}, by {row.get('model', 'the model')}",
        traces=traces,
        layout={
            "xaxis": {"type": "log", "title": {"text": "n, samples to choose from"}, "tickvals": ns,
                      "ticktext": [str(n) for n in ns], "tickangle": 0},
            "yaxis": {"title": {"text": "chosen solution is right"}, "tickformat": ".0%", "range": [0, 1.02]},
        },
        how=f"Means over {row['problems']} problems of the unbiased estimate over all subsets of the samples; bands "
        "are 95% intervals over problems. The oracle finds a right one wherever there is one; chance takes any.",
        misleads="Curves share their problems, so bands that overlap do not say that two ways of choosing are equal. A "
        "curve that falls with n is a model that prefers wrong solutions with high scores.",
        alt="Line chart of the share of problems solved against n on a logarithmic axis, one line with a band for each "
        "way of choosing.",
        height=420,
    )  # fmt: skip


def _reliability(number: int, row: Row) -> Figure:
    outcomes, held = row["reliability"], row.get("held_out")
    traces = [
        {
            "type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip", "showlegend": False,
            "line": {"color": "$muted", "width": 1, "dash": "dot"},
        },
        _bins("what became of these samples", outcomes["curve"], color="$c1", mark="circle", dash="solid"),
    ]  # fmt: skip
    caption = f"Against what became of them: {_errors(outcomes)}."
    if held:
        traces.append(_bins("held-out labels", held["calibration"]["curve"], color="$c0", mark="square", dash="dash"))
        caption += f" Against the labels of {held['held_out']} held-out solutions: {_errors(held['calibration'])}"
        caption += f"{_first_errors(held.get('first_errors'))}."
    return Figure(
        id=f"process-reliability-{number}",
        title="Do the scores mean what they say?",
        traces=traces,
        layout={
            "hovermode": "closest",
            "showlegend": True,
            "legend": {"orientation": "h", "y": -0.28, "font": {"size": 11}},
            "xaxis": {"title": {"text": "mean score of the steps"}, "range": [-0.02, 1.02]},
            "yaxis": {"title": {"text": "mean of what they stand for"}, "tickformat": ".0%", "range": [-0.02, 1.05]},
        },
        how="Steps in bins of equal score; larger marks hold more steps. On the dotted line a score is what it says. "
        f"{caption} A Brier score of 0 is best.",
        misleads="A solution's outcome is one continuation of each of its steps: right for scores that are shares "
        "(eta 0), while scores learned from labels of another eta lie off the line even where they are learned "
        "perfectly; held-out labels are of the model's own eta.",
        alt="Reliability chart: outcomes of solutions, and held-out labels where the model's training kept some, "
        "against the score of their steps, in bins.",
        height=400,
    )


def _bins(name: str, curve: Sequence[Sequence[float]], *, color: str, mark: str, dash: str) -> dict[str, Any]:
    predicted, true, steps = zip(*curve, strict=True)
    total = sum(steps)
    return {
        "type": "scatter", "mode": "lines+markers", "name": name, "x": predicted, "y": true,
        "line": {"color": color, "width": 2, "dash": dash}, "customdata": [[count, count / total] for count in steps],
        "marker": {"color": color, "symbol": mark, "size": [7 + 22 * (count / total) ** 0.5 for count in steps]},
        "hovertemplate": "score %{x:.2f}<br>" + name + " %{y:.1%}<br>%{customdata[0]} steps<extra></extra>",
    }  # fmt: skip


def _errors(calibration: Row) -> str:
    return f"Brier score {calibration['brier']:.4f}, expected calibration error {calibration['ece']:.4f}"


def _first_errors(errors: Row | None) -> str:
    """How many first errors the model names, where there are some."""
    if not errors or not errors["wrong"]:
        return ""
    return f"; it names the first wrong step of {percent(errors['located'])} of {count(errors['wrong'], 'wrong one')}"


def _solutions(path: Path, row: Row) -> Solutions:
    solutions = [
        ScoredSolution(
            title="Right" if each["right"] else "Wrong",
            correct=bool(each["right"]),
            facts=[
                f"lowest score {min(each['scores']):.2f}",
                f"{percent(each['right_share'])} of the samples are right",
            ],
            prompt=each["prompt"],
            steps=[ScoredStep(text, float(score)) for text, score in zip(each["steps"], each["scores"], strict=True)],
        )
        for each in row["choices"]
        if each["scores"]
    ]
    return Solutions(title=f"Solutions that the model puts first ({path.name})", solutions=solutions)

"""What a memory of restarts held and what came of it, and how values ran along responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forage.report.blocks import Block, Figure, Figures, Section
from forage.report.curves import mean_line, smooth, step_figure, thinned, values_of
from forage.report.load import RunEntry, RunGroup, Runs, known_at, with_values
from forage.report.sections.responses import choose, right, shown_entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Metrics in one picture: (key, name, dash, whether it is averaged over a window)."""

    id: str
    title: str
    unit: str
    keys: Sequence[tuple[str, str, str]]
    how: str
    format: str = ""
    average: bool = False


PICTURES = (
    Lines(id="entries", title="Size of the memory", unit="kept states", keys=(("replay_entries", "kept", "solid"),),
          how="It grows while states are kept and stays at its limit, if it reaches that. Solved and tried-out states "
          "are counted until newer ones push them out."),
    Lines(id="exemplars", title="Responses kept", unit="whole responses",
          keys=(("exemplars", "kept", "solid"),),
          how="Whole right responses that the memory had when the step began: one of each mode with mode_replay, "
          "earlier successes with success_replay, answers of the base with base_anchor."),
    Lines(id="exemplars-each", title="Responses kept of a problem", unit="mean over problems with any",
          keys=(("exemplars_per_problem", "kept", "solid"),),
          how="With mode_replay this is how many right modes of a problem were ever met. Where it stands still, "
          "sampling finds no new ones."),
    Lines(id="exemplars-likelihood", title="What became of kept responses", unit="nats per token", average=True,
          keys=(("likelihood_penalty", "-log policy", "solid"), ("behaviour_kl_penalty", "KL to their writer", "dot")),
          how="Mean over the tokens of the responses that were shown. Where it rises the policy is forgetting them; "
          "at strength 0 (mode_replay_unlearned) it says what is forgotten without replay."),
    Lines(id="age", title="Age", unit="steps since kept, mean", keys=(("replay_age", "age", "solid"),),
          how="Of the states that may still be drawn. After the window of keeping it grows by one each step, less what "
          "retiring old states takes away. The older a state, the less its writer knew of what the policy can do now."),
    Lines(id="value", title="Values, then and now", unit="mean value of the states",
          keys=(("replay_value_then", "when kept", "dot"), ("replay_value_now", "when last looked at", "solid")),
          how="Dotted: what the states that may still be drawn were worth when they were kept. Solid: at their last "
          "valuing. Where the solid line falls below the dotted one the best of several noisy values was kept, or "
          "values were too high; where it rises above it the policy has learned to go on from there."),
    Lines(id="success", title="How restarts ended", unit="share of right responses", format=".0%", average=True,
          keys=(("replay_correct", "from kept states", "solid"), ("fresh_correct", "from the beginning", "dot")),
          how="Solid: responses from kept states; dotted: from the beginning. The problems of both are not the same: "
          "kept states are of problems that went wrong."),
    Lines(id="reward", title="Rewards of restarts", unit="mean reward", average=True,
          keys=(("replay_reward", "from kept states", "solid"), ("fresh_reward", "from the beginning", "dot")),
          how="Where a model's reward takes the verdict's place. Solid: responses from kept states; dotted: from the "
          "beginning. Kept states are those of responses that ended low."),
    Lines(id="solvable", title="Where problems became solvable", unit="training problems", keys=(
            ("first_solved_fresh", "first from the beginning", "dot"),
            ("first_solved_replayed", "first from a kept state", "solid"),
            ("carried_over", "of those, later from the beginning too", "dash")),
          how="Problems by their first right response. Dotted: from the beginning. Solid: from a kept state. Dashed: "
          "those of the solid line that were later solved from the beginning too; the gap between the two was solved "
          "with help only, and is no gain in an evaluation, which always begins at the beginning."),
)  # fmt: skip

LOOKED_AT = (
    " Dots are the states that replay looked at: the beginning, and step ends in the window that states are kept from. "
    "The last dot is how the response ended. Shown are responses that came farthest above their beginning, from the "
    "newest step that was written down while states were kept."
)

SHOWN = 4
"""Responses in a picture of values, where no others are shown elsewhere."""


def section(runs: Runs) -> Section | None:
    groups = [group for group in runs.trained if _known(group, "replay_entries") or _known(group, "exemplars")]
    shown = [figure for picture in PICTURES if (figure := _figure(groups, picture)) is not None]
    blocks: list[Block] = []
    if shown:
        blocks.append(Figures(figures=shown, legend=[group.series for group in groups], size="small"))
    traced = [figure for group in runs.trained if (figure := _values_by_token(group)) is not None]
    if traced:
        blocks.append(Figures(figures=traced))
    if not blocks:
        return None
    lead = (
        "What methods that start again from the middle or learn from kept responses held, and what states were worth. "
        "Means over the seeds of a method; all of it is measured on training problems."
    )
    return Section(id="replay", title="Starting again, and values", lead=lead, blocks=blocks)


def _known(group: RunGroup, key: str) -> list[list[tuple[float, float]]]:
    return [line for entry in group.entries if (line := values_of(entry, key))]


def _figure(groups: Sequence[RunGroup], picture: Lines) -> Figure | None:
    traces: list[Mapping[str, Any]] = []
    for group in groups:
        for key, name, dash in picture.keys:
            if lines := _known(group, key):
                mean = mean_line(lines)
                points = thinned(smooth(mean) if picture.average else mean)
                traces.append(_trace(group, name, dash, points, picture.format or ".3~g"))
    if not traces:
        return None
    return step_figure(
        f"replay-{picture.id}",
        traces,
        title=picture.title,
        unit=picture.unit,
        tick_format=picture.format,
        how=picture.how,
    )


def _trace(
    group: RunGroup, name: str, dash: str, points: Sequence[tuple[float, float]], form: str
) -> Mapping[str, Any]:
    series = group.series
    return {
        "type": "scatter", "mode": "lines", "name": f"{series.label}, {name}", "legendgroup": series.key,
        "x": [step for step, _ in points], "y": [value for _, value in points],
        "line": {"color": series.color, "width": 2, "dash": dash}, "hovertemplate": f"%{{y:{form}}}",
    }  # fmt: skip


def _values_by_token(group: RunGroup) -> Figure | None:
    """The values of the states of a few responses of the group's first seed; None where its run recorded none."""
    entry = shown_entry([entry for entry in group.entries if with_values(entry.valued)])
    if entry is None:
        return None
    rows = _chosen(entry)
    any_shown = any(_looked_at(row) for row in rows)
    return Figure(
        id=f"values-{group.series.key}",
        title=f"Values along responses: {group.label}",
        traces=[_path(group, row, number) for number, row in enumerate(rows)],
        layout={
            "hovermode": "closest",
            "xaxis": {"title": {"text": "token of the response, replayed ones included"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "value of the state"}},
        },
        how=f"Responses of {entry.path.name}, step {entry.valued_step}: solid ones ended right, dotted ones wrong, "
        "and one that continues a replayed prefix begins where that ends. Touch a line to read its tokens. A step "
        "down is where the response lost its chance, as the critic or the continuations saw it; a step up is progress."
        + (LOOKED_AT if any_shown else ""),
        misleads="A critic's values are guesses, and a mean of a few continuations is noisy: a jump of one token is "
        "no proof. A few responses are anecdotes.",
        alt=f"Line chart of the values of the states along {len(rows)} responses.",
        height=300,
    )


def _chosen(entry: RunEntry) -> list[Mapping[str, Any]]:
    """Those that the sample responses show, and the first that continues a replayed prefix, right if there is one.

    Where only some states were valued, they are the responses that came farthest above their beginning, one a problem.
    """
    rows = [row for row in entry.valued if len(known_at(row)) > 1]
    if all(_looked_at(row) for row in rows):
        rise = {id(row): max(row["values"][place] for place in known_at(row)) - _first(row) for row in rows}
        best: dict[Any, Mapping[str, Any]] = {}
        for row in sorted(rows, key=lambda row: -rise[id(row)]):
            best.setdefault(row["problem"], row)
        return list(best.values())[:SHOWN]
    replayed = sorted((row for row in rows if len(row["prefix"])), key=lambda row: right(row) is not True)
    chosen = choose(rows)
    return chosen + [row for row in replayed[:1] if not any(row is other for other in chosen)]


def _looked_at(row: Mapping[str, Any]) -> bool:
    """Whether only some states of the response were valued."""
    return len(known_at(row)) < len(row["values"])


def _first(row: Mapping[str, Any]) -> float:
    return row["values"][known_at(row)[0]]


def _path(group: RunGroup, row: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    verdict = {True: "right", False: "wrong", None: "not judged"}[right(row)]
    begin, known = len(row["prefix"]), known_at(row)
    places, values = [begin + place for place in known], [row["values"][place] for place in known]
    pieces = [row["pieces"][place] for place in known]
    if _looked_at(row):  # how it ended, which needs no valuing
        places, values, pieces = [*places, begin + len(row["values"])], [*values, row["reward"]], [*pieces, "the end"]
    name = verdict + (", cut off" if row["stop"] == "length" else "") + (", replayed" if begin else "")
    return {
        "type": "scatter", "mode": "lines+markers+text" if _looked_at(row) else "lines+text", "name": name,
        "x": places, "y": values,
        "text": [*[""] * (len(places) - 1), name],
        "textposition": "bottom left" if number % 2 else "top left", "cliponaxis": False,
        "customdata": pieces, "hovertemplate": "%{customdata}: %{y:.3f}<extra>%{fullData.name}</extra>",
        "line": {
            "color": group.series.color, "width": 2.2 if right(row) else 1.2,
            "dash": "solid" if right(row) else "dot",
        },
    }  # fmt: skip

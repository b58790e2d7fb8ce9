"""How training went: small pictures, each with what it can and cannot show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forage.report.blocks import Figure, Figures, Prose, Section
from forage.report.curves import mean_line, smooth, step_figure, thinned, values_of
from forage.report.load import RunGroup, Runs
from forage.report.text import listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A metric: its key in metrics.jsonl, its title, its axis, and which direction is good, and when.

    `optional` panels are silently left out where the metric is absent or zero throughout.
    """

    key: str
    title: str
    unit: str
    how: str
    format: str = ""
    optional: bool = False


PANELS = (
    Panel(key="reward", title="Reward", unit="mean per response", how="Up is good, as far as the reward means what you "
          "want. It is measured on training problems: a rise here may be memory, or length, and is no result."),
    Panel(key="correct", title="Correct", unit="share of responses", format=".0%", optional=True, how="Up is good. "
          "Where it parts from the reward, the reward pays for something else."),
    Panel(key="process", title="Process reward", unit="mean score of a response", optional=True, how="Up is good only "
          "where the share of right responses rises with it: a policy can learn to raise this score alone."),
    Panel(key="process_order", title="Process order", unit="chance", format=".0%", optional=True, how="How often a "
          "right response scores above a wrong sibling. At one half the process model no longer knows what is right."),
    Panel(key="steps", title="Steps", unit="per response", optional=True, how="Neither direction is good by itself. "
          "Where a score pays for steps, their number is the first thing to drift."),
    Panel(key="entropy", title="Entropy", unit="nats per token", how="Neither direction is good by itself. Falling "
          "while the reward rises is sharpening; near 0, sampling has nothing left to find; rising without reward is "
          "noise."),
    Panel(key="length", title="Length", unit="tokens per response", how="Neither direction is good by itself. Longer "
          "helps where it is search, and hurts where it is padding or runs into the limit."),
    Panel(key="truncated", title="Cut off", unit="share of responses", format=".0%", how="Down is good. Cut-off "
          "responses score 0 whatever they were about to say; above a tenth, raise the limit before judging anything."),
    Panel(key="clip_share", title="Clip share", unit="share of tokens", format=".2%", how="Low is normal. Near 0 the "
          "clip does nothing, so rules about clipping cannot show an effect; above a few percent, steps are large."),
    Panel(key="grad_norm", title="Gradient norm", unit="before clipping", how="Steady is good. Spikes come before "
          "collapse; a slow decline is usual as groups stop varying."),
    Panel(key="bonus_share", title="Bonus in the advantage", unit="changed share of |A|", format=".0%", how="How much "
          "of the advantage the exploration method changes. Near 0 it does nothing; near 1 it drowns the reward. A "
          "large share says that it acts, not that it helps."),
    Panel(key="zero_variance", title="Groups that teach nothing", unit="share of groups", format=".0%", optional=True,
          how="Down is good. All siblings scored alike, so a group-relative method learns nothing from them: too easy "
          "or too hard."),
    Panel(key="kl", title="Distance within a step", unit="KL to the sampler, nats", optional=True, how="Low is normal. "
          "How far the updates of one step move the policy from the one that sampled; spikes mean that its samples no "
          "longer describe it. It does not say how far training has come."),
    Panel(key="gram_entropy", title="Diversity of strategies", unit="nats", optional=True,
          how="The semantic entropy of strategic grams in the responses of every step, for methods that mark them, "
          "corrected for small counts. Neither direction is good by itself: read it beside the entropy above and "
          "pass@k. Methods with another list of grams (a placebo's, say) cannot be compared here; the section on "
          "strategies counts one list for all."),
    Panel(key="planning_share", title="Planning tokens", unit="share of tokens", format=".0%", optional=True,
          how="The tokens inside the grams that the method marks. A rise without a rise of pass@k is a habit that the "
          "bonus pays for."),
    Panel(key="unjudged", title="Unjudged", unit="share of responses", format=".1%", optional=True, how="Down is good. "
          "The verifier gave no verdict in time; these responses were not learned from."),
    Panel(key="explained_variance", title="What the critic explains", unit="share of the returns' variance",
          optional=True, how="1 would be a critic that foresees every return, 0 one that knows only their mean; below "
          "0 it misleads. A young critic explains little, and its advantages are then as noisy as the returns."),
    Panel(key="value_loss", title="The critic's error", unit="half the mean squared error", optional=True, how="It "
          "should fall while the critic learns; it rises again for a while when the policy changes what is to be "
          "expected."),
    Panel(key="skipped", title="Skipped updates", unit="optimizer steps", optional=True, how="Should be 0. A skipped "
          "update had a gradient that was not a number."),
)  # fmt: skip


def section(runs: Runs) -> Section | None:
    groups = [group for group in runs.trained if any(entry.metrics for entry in group.entries)]
    if not runs.trained:
        return None
    if not groups:
        text = "No metrics have been recorded yet: the first row appears after the first training step."
        return Section(id="training", title="Training", blocks=[Prose(paragraphs=[text])])
    figures, missing = [], []
    for panel in PANELS:
        if _recorded(groups, panel):
            figures.append(_figure(groups, panel))
        elif not panel.optional:
            missing.append(panel.title.lower())
    lead = (
        "Thin lines are single runs, step by step; thick lines average the seeds of a method over a twentieth of the "
        "run. All of it is measured on training problems while they are being learned: it shows whether training was "
        "healthy, not whether it helped."
    )
    blocks = [Figures(figures=figures, legend=[group.series for group in groups], size="small")]
    notes = [f"Zero throughout, or not recorded: {listing(missing)}."] if missing else []
    return Section(id="training", title="Training", lead=lead, blocks=[*blocks, Prose(paragraphs=notes)])


def _recorded(groups: Sequence[RunGroup], panel: Panel) -> bool:
    series = [values_of(entry, panel.key) for group in groups for entry in group.entries]
    if panel.key == "correct":
        rewards = [values_of(entry, "reward") for group in groups for entry in group.entries]
        return series != rewards and any(series)
    shown_at_zero = panel.key in ("reward", "truncated", "clip_share")
    return any(value != 0 or shown_at_zero for values in series for _, value in values)


def _figure(groups: Sequence[RunGroup], panel: Panel) -> Figure:
    traces: list[Mapping[str, Any]] = []
    for group in groups:
        lines = [values for entry in group.entries if (values := values_of(entry, panel.key))]
        traces.extend(_trace(group, panel, thinned(line), thick=False) for line in lines)
        if lines:
            traces.append(_trace(group, panel, thinned(smooth(mean_line(lines))), thick=True))
    return step_figure(
        f"training-{panel.key.replace('_', '-')}",
        traces,
        title=panel.title,
        unit=panel.unit,
        tick_format=panel.format,
        how=panel.how,
    )


def _trace(group: RunGroup, panel: Panel, points: Sequence[tuple[float, float]], *, thick: bool) -> Mapping[str, Any]:
    series = group.series
    form = panel.format or ".3~g"
    look = {"color": series.color, "width": 2.2} if thick else {"color": series.faded(0.28), "width": 1}
    hover = {"hovertemplate": f"%{{y:{form}}}"} if thick else {"hoverinfo": "skip"}
    return {
        "type": "scatter", "mode": "lines", "name": series.label, "legendgroup": series.key,
        "x": [step for step, _ in points], "y": [value for _, value in points], "line": look, **hover,
    }  # fmt: skip

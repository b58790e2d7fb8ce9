"""Collapse and explosion of entropy, and what was measured to move before them.

Many explanations of collapse and explosion are passed on untested. An alarm names only what was measured: the recorded
quantities that moved, in the direction that the explanation needs, before the entropy left its range. That they moved
first does not prove that they are the cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forage.analysis.measures.trends import CLEAR, change_in_errors, column
from forage.evaluation.metrics.entropy_range import Kind, left_range


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A metric, the direction of the change that would explain an alarm, and why."""

    key: str
    rises: bool
    what: str
    why: str


SUSPECTS: Mapping[Kind, tuple[Suspect, ...]] = {
    "collapse": (
        Suspect(key="positive_share", rises=True, what="the share of tokens with A > 0",
                why="what is already likely is made likelier"),
        Suspect(key="clip_high", rises=True, what="the share of tokens held back by the upper clip bound",
                why="unlikely tokens may not gain; raise the upper bound"),
        Suspect(key="length", rises=False, what="the length of responses", why="short answers leave nothing to choose"),
        Suspect(key="zero_variance", rises=True, what="the share of groups that teach nothing",
                why="few groups decide every update"),
        Suspect(key="grad_norm", rises=True, what="the gradient norm", why="steps are too large"),
    ),
    "explosion": (
        Suspect(key="positive_share", rises=False, what="the share of tokens with A > 0",
                why="pushing tokens down spreads their probability over everything else"),
        Suspect(key="clip_low", rises=True, what="the share of tokens held back by the lower clip bound",
                why="the policy runs away from what it sampled"),
        Suspect(key="length", rises=True, what="the length of responses", why="long texts drift"),
        Suspect(key="truncated", rises=True, what="the share of responses cut off",
                why="the limit, not the model, ends the text"),
        Suspect(key="bonus_share", rises=True, what="the share of the advantage that the method changes",
                why="the bonus drowns the reward"),
        Suspect(key="grad_norm", rises=True, what="the gradient norm", why="steps are too large"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What a suspect did before an alarm: its level at the start and just before, and the change in standard errors."""

    key: str
    what: str
    why: str
    before: float
    after: float
    strength: float

    def sentence(self) -> str:
        verb = "rose" if self.after > self.before else "fell"
        return f"{self.what} {verb} from {self.before:.3g} to {self.after:.3g} ({self.why})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Entropy in nats at the start, at the first `step` where its running mean left its range, and at the end.

    `causes`: the suspects that clearly moved before that, the clearest first. `missing`: suspects never recorded.
    """

    kind: Kind
    step: int
    start: float
    level: float
    last: float
    causes: tuple[Cause, ...]
    missing: tuple[str, ...]

    def sentence(self) -> str:
        what = "fell" if self.kind == "collapse" else "rose"
        text = f"Entropy {self.kind}: it {what} from {self.start:.3g} to {self.level:.3g} nats by step {self.step}"
        text += f" and ended at {self.last:.3g}. "
        if self.causes:
            text += f"Measured before it: {'; '.join(cause.sentence() for cause in self.causes)}."
        else:
            text += "None of the recorded quantities moved clearly before it, so the cause is not known."
        return text + (f" Not recorded: {', '.join(self.missing)}." if self.missing else "")


def entropy_alarms(metrics: Sequence[Mapping[str, float]]) -> tuple[Alarm, ...]:
    """The first collapse and the first explosion in rows of metrics, in order of their steps; at most one of each.

    Levels are means over a window of a twentieth of the run, at least 3 steps. A run of fewer than two windows is too
    short to judge.
    """
    entropy = column(metrics, "entropy")
    known = np.flatnonzero(np.isfinite(entropy))
    window = max(3, len(metrics) // 20)
    if len(known) < 2 * window:
        return ()
    start = float(entropy[known[:window]].mean())
    alarms = []
    for kind in ("collapse", "explosion"):
        for at in range(window, len(known) - window + 1):
            level = float(entropy[known[at : at + window]].mean())
            if left_range(kind, level, start):
                row = int(known[at + window - 1])
                causes, missing = _causes(kind, metrics, onset=int(known[at]), window=window)
                last = float(entropy[known[-window:]].mean())
                step = int(metrics[row]["step"])
                alarms.append(
                    Alarm(kind=kind, step=step, start=start, level=level, last=last, causes=causes, missing=missing)
                )
                break
    return tuple(sorted(alarms, key=lambda alarm: alarm.step))


def _causes(
    kind: Kind, metrics: Sequence[Mapping[str, float]], *, onset: int, window: int
) -> tuple[tuple[Cause, ...], tuple[str, ...]]:
    """Compares the first window with the one that ends where the entropy's bad window begins."""
    causes, missing = [], []
    for suspect in SUSPECTS[kind]:
        values = column(metrics, suspect.key)
        first, last = values[:window], values[max(onset - window, 0) : onset]
        if not np.isfinite(first).any() or not np.isfinite(last).any():
            missing.append(suspect.key)
            continue
        before, after = float(np.nanmean(first)), float(np.nanmean(last))
        strength = change_in_errors(after - before, values, window)
        if (after > before) == suspect.rises and strength >= CLEAR:
            causes.append(
                Cause(
                    key=suspect.key, what=suspect.what, why=suspect.why, before=before, after=after, strength=strength
                )
            )
    return tuple(sorted(causes, key=lambda cause: -cause.strength)), tuple(missing)

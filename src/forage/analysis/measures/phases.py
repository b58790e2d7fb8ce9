"""Two phases? Execution becomes sure of itself and stays so, while planning continues to grow (arXiv 2509.03646).

The paper reads the phases off curves. Here a curve that falls and then stays is fitted to every bootstrap draw of the
execution perplexity, so that the turn, and whether there is one, come with their uncertainty. Axes: S steps, D draws.
"""

from dataclasses import dataclass

import numpy as np

from forage.analysis.measures.responses import Floats
from forage.ops.resampling import percentile_interval

FEWEST = 5
"""Steps with rollouts, below which a fall and a level cannot be distinguished."""

SURE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Shares of the D draws, and the step at which execution levels off.

    `levelled`: execution perplexity fell and then stayed; `falling`: it was still falling at the end; `never_fell`: it
    did not fall. The three add up to 1. `turn` is the median step of the turn over the draws with one, from `turn_low`
    to `turn_high` (95%); `growing` is the share of those draws in which planning diversity rises after the turn. All
    of these are None where no draw has a turn.
    """

    steps: int
    levelled: float
    falling: float
    never_fell: float
    turn: float | None
    turn_low: float | None
    turn_high: float | None
    growing: float | None

    @property
    def two_phases(self) -> bool:
        """Both claims hold in at least 95% of the draws: execution levelled, and planning grew after that."""
        return self.levelled >= SURE and self.growing is not None and self.growing >= SURE

    def sentence(self) -> str:
        if self.two_phases:
            return (
                f"Two phases: execution levelled off near step {self.turn:.0f} ({self.turn_low:.0f} to "
                f"{self.turn_high:.0f}), and the diversity of planning grew after it."
            )
        growing = ""
        if self.growing is not None and self.levelled >= 1 - SURE:
            growing = f" (planning diversity grew after the turn in {self.growing:.0%} of those)"
        return (
            f"No two phases beyond noise: in {self.levelled:.0%} of the resamples execution levelled off{growing}; in "
            f"{self.falling:.0%} it was still getting surer at the end, in {self.never_fell:.0%} it never got surer."
        )


def find_phases(steps: Floats, execution: Floats, diversity: Floats) -> Phases | None:
    """Fits y = a + b min(step, turn) to each draw of log execution perplexity, over all turns; None for S < 5.

    steps (S,) increasing; execution (S, D) log perplexity and diversity (S, D) entropy of grams in nats. A turn at the
    last step is a straight line: still falling. b >= 0 means that it never fell. Ties go to the earlier turn. Draws
    with a number that is not finite are left out.
    """
    usable = np.isfinite(execution).all(axis=0) & np.isfinite(diversity).all(axis=0)
    if len(steps) < FEWEST or not usable.any():
        return None
    execution, diversity = execution[:, usable], diversity[:, usable]
    errors, slopes = zip(
        *(_fit(np.minimum(steps, steps[turn]), execution) for turn in range(1, len(steps))), strict=True
    )
    best = np.argmin(np.stack(errors), axis=0)
    slope = np.stack(slopes)[best, np.arange(execution.shape[1])]
    fell = slope < -1e-9
    # A level needs at least two steps to show itself: a turn at the last step but one is a straight line with noise.
    levelled = fell & (best + 1 < len(steps) - 2)
    turns = steps[best[levelled] + 1]
    growing = [_slope(steps[turn:], diversity[turn:, draw]) > 0 for draw, turn in _turns(levelled, best)]
    turn = percentile_interval(float(np.median(turns)), turns) if levelled.any() else None
    return Phases(
        steps=len(steps),
        levelled=float(levelled.mean()),
        falling=float((fell & ~levelled).mean()),
        never_fell=float((~fell).mean()),
        turn=turn.estimate if turn else None,
        turn_low=turn.low if turn else None,
        turn_high=turn.high if turn else None,
        growing=sum(growing) / len(growing) if growing else None,
    )


def _turns(levelled: np.ndarray, best: np.ndarray) -> list[tuple[int, int]]:
    return [(int(draw), int(best[draw]) + 1) for draw in np.flatnonzero(levelled)]


def _fit(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Least squares of each column of y (S, D) on x (S,): sums of squared errors and slopes, both (D,)."""
    centered, level = x - x.mean(), y - y.mean(axis=0)
    slope = centered @ level / (centered @ centered)
    return ((level - centered[:, None] * slope) ** 2).sum(axis=0), slope


def _slope(x: Floats, y: Floats) -> float:
    centered = x - x.mean()
    return float(centered @ y / (centered @ centered))

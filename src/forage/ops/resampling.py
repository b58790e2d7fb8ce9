"""The pieces of every bootstrap of this package: how units are drawn, and what an interval is.

Of m units a draw takes m - 1, which makes the variance of a resampled mean unbiased (Rao and Wu 1988).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95

NEGLIGIBLE = 5e-4
"""Half of the last digit in which differences are shown: of three decimals, or of a tenth of a point."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the percentile interval around it, all in the estimate's unit; NaN where nothing was judged."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    @property
    def distinguishable(self) -> bool:
        """Of a difference: it can be told from 0, and shows in three decimals.

        Values without noise (exact, or at their bound) leave out 0 by next to nothing.
        """
        return self.excludes_zero and abs(self.estimate) >= NEGLIGIBLE


def resampling_weights(count: int, draws: int, rng: np.random.Generator) -> Floats:
    """(D, count) float64: how much each unit counts in each draw. Rows sum to 1; a single unit always counts 1."""
    taken = max(count - 1, 1)
    chances = np.full(count, 1 / count)
    return rng.multinomial(taken, chances, size=draws) / taken


def percentile_interval(estimate: float, draws: Floats, *, level: float = LEVEL) -> Interval:
    """The central `level` share of (D,) draws; draws that are NaN are excluded."""
    known = draws[np.isfinite(draws)]
    if known.size == 0 or math.isnan(estimate):
        return Interval(math.nan, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(estimate), float(low), float(high))

"""Whether a recorded quantity moved, or only shook from step to step."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from forage.analysis.measures.responses import Floats

CLEAR = 3.0
"""A quantity moved where its change is this many standard errors of the noise from step to step."""


def column(metrics: Sequence[Mapping[str, float]], key: str) -> Floats:
    """(rows,) float64: the metric of every row, NaN where it is absent or not finite."""
    values = np.array([row.get(key, math.nan) for row in metrics], dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def change_in_errors(change: float, values: Floats, window: int) -> float:
    """|change| of a mean over `window` steps in standard errors; noise is taken from neighboring steps, so a trend
    does not count as noise. Infinite for a change without any noise."""
    steps = np.diff(values[np.isfinite(values)])
    noise = float(np.sqrt((steps**2).mean() / 2)) if steps.size else 0.0
    return abs(change) / (noise * math.sqrt(2 / window)) if noise else (math.inf if change else 0.0)

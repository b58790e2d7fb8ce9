"""When entropy has collapsed or exploded: one answer for warnings in training and alarms in the analysis."""

from typing import Literal

COLLAPSE, FLOOR = 0.25, 0.02
"""An alarm where entropy falls below a quarter of its start, or below 0.02 nats and half its start."""

EXPLOSION = 2.0
"""An alarm where entropy rises above twice its start."""

Kind = Literal["collapse", "explosion"]


def left_range(kind: Kind, level: float, start: float) -> bool:
    """Whether an entropy of `level` nats has collapsed, or exploded, from what it was at the start."""
    if kind == "collapse":
        return level < max(COLLAPSE * start, min(FLOOR, start / 2))
    return level > EXPLOSION * start

"""Colors, dashes and marks: a series is distinguished by more than its color.

Figures name colors symbolically, as in `$c1` or `$c1@0.2` (with opacity); the page replaces them with the theme's, so
one figure is readable on a light and on a dark screen.
"""

from dataclasses import dataclass

SLOTS = 8
MARKS = ("square", "circle", "diamond", "triangle-up", "triangle-down", "cross", "pentagon", "star")


@dataclass(frozen=True, slots=True)
class Series:
    """What one legend entry stands for: `key` is its name on the page, `slot` picks color and mark."""

    key: str
    label: str
    slot: int
    dash: str = "solid"

    @property
    def color(self) -> str:
        return f"$c{self.slot % SLOTS}"

    @property
    def mark(self) -> str:
        return MARKS[self.slot % SLOTS]

    def faded(self, opacity: float) -> str:
        return f"{self.color}@{opacity:g}"

"""Results as plain rows: what the command line prints and the report shows. No rendering happens here."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown, and the numbers behind it. `marked`: the interval of a difference excludes 0."""

    text: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    marked: bool = False


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Every row has a cell for every column. `notes` are sentences to print below."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of_texts(cls, columns: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str] = ()) -> Self:
        """A table of words."""
        return cls(tuple(columns), tuple(tuple(map(Cell, row)) for row in rows), tuple(notes))

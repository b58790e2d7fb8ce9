"""Tables of results on the terminal: estimates, and what they might be confounded with, each fit a narrow screen."""

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from forage.evaluation.tables import Cell, ResultTable

PIPED_WIDTH = 120
"""Columns where the output is no terminal."""

DIVERSITY = ("distinct", "extra", "in")

BESIDE_ESTIMATES = ("crossover", "lost", "gained")


class Tables:
    """What a command found: printed as it comes, or, with `json`, collected into one object that `finish` prints.

    In the object a table has its name, its rows as `{column: value}` (an interval as `[value, low, high]`, what is not
    known as null) and its notes.
    """

    def __init__(self, *, json: bool = False) -> None:
        self._collected: dict[str, Any] | None = {} if json else None

    def curves(self, name: str, table: ResultTable) -> None:
        """pass@k, then length, truncation, entropy and whatever else it might be confounded with."""
        if not self._collect(name, table):
            print_estimates(table)
            print_confounds(table)

    def estimates(self, name: str, table: ResultTable) -> None:
        """pass@k and what follows from it."""
        if not self._collect(name, table):
            print_estimates(table)

    def diversity(self, name: str, table: ResultTable) -> None:
        """PCMD, then distinct@k, what it exceeds pass@k by, and modes among right answers; or why there are none."""
        if not self._collect(name, table):
            if any(not math.isnan(cell.value) for row in table.rows for cell in row):
                print_diversity(table)
            self.notes(name, table.notes)

    def table(self, name: str, table: ResultTable) -> None:
        """Every column, and the notes."""
        if not self._collect(name, table):
            _print(table, range(1, len(table.columns)))
            self.notes(name, table.notes)

    def notes(self, name: str, notes: Sequence[str]) -> None:
        if self._collected is not None:
            self._collected.setdefault(name, {})["notes"] = list(notes)
            return
        for note in notes:
            _console().print(note, style="dim", highlight=False, markup=False)

    def say(self, sentence: str) -> None:
        """Words between tables, for people only."""
        if self._collected is None:
            print(sentence)

    def value(self, name: str, value: Any) -> None:
        """Something that only the object holds."""
        if self._collected is not None:
            self._collected[name] = value

    def finish(self) -> None:
        if self._collected is not None:
            print(json.dumps(self._collected, indent=1, allow_nan=False, ensure_ascii=False))

    def _collect(self, name: str, table: ResultTable) -> bool:
        if self._collected is None:
            return False
        rows = [dict(zip(table.columns, map(_plain, row), strict=True)) for row in table.rows]
        self._collected[name] = {"rows": rows, "notes": list(table.notes)}
        return True


def print_estimates(table: ResultTable) -> None:
    """pass@k, then what follows from it in a block of its own; a difference whose interval excludes 0 is bold."""
    for names in (lambda name: name.startswith("pass@"), lambda name: name in BESIDE_ESTIMATES):
        if columns := [i for i in range(1, len(table.columns)) if names(table.columns[i])]:
            _print(table, columns)


def print_diversity(table: ResultTable) -> None:
    """A block of columns for each kind of number."""
    kinds = [column.partition("@")[0].partition(" ")[0] for column in table.columns]
    own = [place for place in range(1, len(kinds)) if kinds[place] not in DIVERSITY]
    for columns in (own, *([i for i, kind in enumerate(kinds) if kind == name] for name in DIVERSITY)):
        if columns:
            _print(table, columns)


def print_confounds(table: ResultTable) -> None:
    """The other columns: runs, temperature, length, truncation, entropy, ..."""
    _print(table, [i for i in range(1, len(table.columns)) if not _is_estimate(table.columns[i])])


def print_table(table: ResultTable) -> None:
    """Every column, and the notes."""
    Tables().table("", table)


def _plain(cell: Cell) -> Any:
    """A number, an interval, or the text of a cell that is none; null where a number is not known."""
    numbers = [None if math.isnan(number) else number for number in (cell.value, cell.low, cell.high)]
    if all(number is None for number in numbers):
        return None if cell.text in ("", "n/a") else cell.text
    return numbers if any(number is not None for number in numbers[1:]) else numbers[0]


def _print(table: ResultTable, columns: Sequence[int]) -> None:
    shown = RichTable(box=None, padding=(0, 2, 0, 0))
    shown.add_column(table.columns[0], overflow="fold", min_width=12)
    for index in columns:
        shown.add_column(table.columns[index], no_wrap=True)
    for row in table.rows:
        shown.add_row(*(_markup(row[index]) for index in (0, *columns)))
    _console().print(shown, highlight=False)
    _console().print()


def _is_estimate(column: str) -> bool:
    return column.startswith("pass@") or column in BESIDE_ESTIMATES


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def _markup(cell: Cell) -> str:
    """The interval below its estimate; brackets are text here, not markup."""
    text = cell.text.replace(" [", "\n[", 1).replace(" (", "\n(").replace("[", r"\[")
    return f"[bold]{text}[/bold]" if cell.marked else text

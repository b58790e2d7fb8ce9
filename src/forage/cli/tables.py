"""What a command has to show: words and tables, printed as they come, or as one JSON object, or into a file."""

import json
import math
import os
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from forage.cli.progress import say
from forage.core.atomic import write_file
from forage.core.result_table import Cell, ResultTable

PIPED_WIDTH = 120
"""Columns where the output is no terminal."""

GAP = 2
"""Blanks behind a column."""

LABEL = 12
"""The least width of the first column, which says what a row is about."""

DIVERSITY = ("distinct", "extra", "in")

BESIDE_ESTIMATES = ("crossover", "lost", "gained")


class Tables:
    """What a command found: printed as it comes, or, with `json`, collected into one object.

    `finish` comes last: it prints the object, or writes all there is into the file `out` where one is named. In the
    object a table has its name, its rows as `{column: value}` (an interval as `[value, low, high]`, what is not known
    as null) and its notes.
    """

    def __init__(self, *, json: bool = False, out: Path | None = None) -> None:
        self._collected: dict[str, Any] | None = {} if json else None
        self._out = out
        self._text = StringIO() if out else None
        known = "COLUMNS" in os.environ or (out is None and sys.stdout.isatty())
        self._console = Console(width=None if known else PIPED_WIDTH, file=self._text)

    def curves(self, name: str, table: ResultTable) -> None:
        """pass@k, then length, truncation, entropy and whatever else it might be confounded with."""
        if not self._collect(name, table):
            self._estimates(table)
            self._columns(table, [i for i in range(1, len(table.columns)) if not _is_estimate(table.columns[i])])

    def estimates(self, name: str, table: ResultTable) -> None:
        """pass@k and what follows from it."""
        if not self._collect(name, table):
            self._estimates(table)

    def diversity(self, name: str, table: ResultTable) -> None:
        """PCMD, then distinct@k, what it exceeds pass@k by, and modes among right answers; or why there are none."""
        if not self._collect(name, table):
            if any(not math.isnan(cell.value) for row in table.rows for cell in row):
                self._diversity(table)
            self.notes(name, table.notes)

    def table(self, name: str, table: ResultTable) -> None:
        """Every column, and the notes."""
        if not self._collect(name, table):
            self._columns(table, range(1, len(table.columns)))
            self.notes(name, table.notes)

    def notes(self, name: str, notes: Sequence[str]) -> None:
        if self._collected is not None:
            self._collected.setdefault(name, {})["notes"] = list(notes)
            return
        for note in notes:
            self._console.print(note, style="dim", highlight=False, markup=False)

    def say(self, text: str) -> None:
        """Words between tables, for people only; long lines are left as they are."""
        if self._collected is None:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Like `say`, in red on a terminal."""
        if self._collected is None:
            self._console.print(text, style="red", highlight=False, markup=False, soft_wrap=True)

    @property
    def width(self) -> int:
        """Columns of a line."""
        return self._console.width

    def value(self, name: str, value: Any) -> None:
        """Something that only the object holds."""
        if self._collected is not None:
            self._collected[name] = value

    def finish(self) -> None:
        text = self._text.getvalue() if self._text else ""
        if self._collected is not None:
            text = json.dumps(self._collected, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
            if self._out is None:
                sys.stdout.write(text)
        if self._out is not None:
            write_file(self._out, text.encode())
            say(f"Saved: {self._out}")

    def _collect(self, name: str, table: ResultTable) -> bool:
        if self._collected is None:
            return False
        rows = [dict(zip(table.columns, map(_plain, row), strict=True)) for row in table.rows]
        self._collected[name] = {"rows": rows, "notes": list(table.notes)}
        return True

    def _estimates(self, table: ResultTable) -> None:
        """pass@k, then what follows from it in a block of its own; a difference whose interval excludes 0 is bold."""
        for names in (lambda name: name.startswith("pass@"), lambda name: name in BESIDE_ESTIMATES):
            if columns := [i for i in range(1, len(table.columns)) if names(table.columns[i])]:
                self._columns(table, columns)

    def _diversity(self, table: ResultTable) -> None:
        """A block of columns for each kind of number."""
        kinds = [column.partition("@")[0].partition(" ")[0] for column in table.columns]
        own = [place for place in range(1, len(kinds)) if kinds[place] not in DIVERSITY]
        for columns in (own, *([i for i, kind in enumerate(kinds) if kind == name] for name in DIVERSITY)):
            if columns:
                self._columns(table, columns)

    def _columns(self, table: ResultTable, columns: Sequence[int]) -> None:
        """In one block or, where it would not fit with all words folded, in several below each other."""
        label, needed = max(LABEL + GAP, _width(table, 0)), {index: _width(table, index) for index in columns}
        if label + sum(needed.values()) <= self.width:
            wordy = any(_is_words(row[index]) for row in table.rows for index in columns)
            self._block(table, columns, wordy=wordy)
            return
        label = min(label, max(LABEL, self.width // 3))
        blocks: list[list[int]] = [[]]
        for index in columns:
            if blocks[-1] and label + sum(needed[each] for each in blocks[-1]) + needed[index] > self.width:
                blocks.append([])
            blocks[-1].append(index)
        for block in blocks:
            self._block(table, block, wordy=False)

    def _block(self, table: ResultTable, columns: Sequence[int], *, wordy: bool) -> None:
        shown = RichTable(box=None, padding=(0, GAP, 0, 0))
        shown.add_column(table.columns[0], overflow="fold", min_width=LABEL, no_wrap=wordy)
        for index in columns:
            folds = any(_is_words(row[index]) for row in table.rows)
            shown.add_column(table.columns[index], no_wrap=not folds, overflow="fold" if folds else "ellipsis")
        for row in table.rows:
            shown.add_row(*(_markup(row[index]) for index in (0, *columns)))
        self._console.print(shown, highlight=False)
        self._console.print()


def _plain(cell: Cell) -> Any:
    """A number, an interval, or the text of a cell that is none; null where a number is not known."""
    numbers = [None if math.isnan(number) else number for number in (cell.value, cell.low, cell.high)]
    if all(number is None for number in numbers):
        return None if cell.text in ("", "n/a") else cell.text
    return numbers if any(number is not None for number in numbers[1:]) else numbers[0]


def _width(table: ResultTable, index: int) -> int:
    """What a column takes beside others, its gap included: where words may fold, the longest of them."""
    cells = [row[index] for row in table.rows]
    parts = [part for cell in cells for part in (cell.text.split() if index and _is_words(cell) else _lines(cell))]
    return max(map(len, (table.columns[index], *parts))) + GAP


def _is_estimate(column: str) -> bool:
    return column.startswith("pass@") or column in BESIDE_ESTIMATES


def _is_words(cell: Cell) -> bool:
    return math.isnan(cell.value) and " " in cell.text


def _lines(cell: Cell) -> list[str]:
    """The interval below its estimate."""
    return [cell.text] if _is_words(cell) else cell.text.replace(" [", "\n[", 1).replace(" (", "\n(").split("\n")


def _markup(cell: Cell) -> str:
    """Brackets are text here, not markup."""
    text = "\n".join(_lines(cell)).replace("[", r"\[")
    return f"[bold]{text}[/bold]" if cell.marked else text

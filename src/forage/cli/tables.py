"""Tables of results on the terminal: estimates, and what they might be confounded with, each fit a narrow screen."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable

from forage.evaluation.tables import Cell, ResultTable

PIPED_WIDTH = 120
"""Columns where the output is no terminal."""

BESIDE_ESTIMATES = ("crossover", "lost", "gained")


def print_estimates(table: ResultTable) -> None:
    """pass@k, then what follows from it in a block of its own; a difference whose interval excludes 0 is bold."""
    for names in (lambda name: name.startswith("pass@"), lambda name: name in BESIDE_ESTIMATES):
        if columns := [i for i in range(1, len(table.columns)) if names(table.columns[i])]:
            _print(table, columns)


def print_confounds(table: ResultTable) -> None:
    """The other columns: runs, temperature, length, truncation, entropy, ..."""
    _print(table, [i for i in range(1, len(table.columns)) if not _is_estimate(table.columns[i])])


def print_table(table: ResultTable) -> None:
    """Every column, and the notes."""
    _print(table, range(1, len(table.columns)))
    print_notes(table)


def print_notes(table: ResultTable) -> None:
    for note in table.notes:
        _console().print(f"[dim]{note}[/dim]", highlight=False)


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

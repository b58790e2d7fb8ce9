"""A table of results on the terminal."""

from rich.console import Console
from rich.table import Table as RichTable

from forage.evals.tables import Table


def print_table(table: Table, console: Console | None = None) -> None:
    """Prints rows and notes; a difference whose interval excludes 0 is bold."""
    console = console or Console()
    shown = RichTable(box=None, padding=(0, 2, 0, 0))
    for column in table.columns:
        shown.add_column(column, overflow="fold")
    for row in table.rows:
        shown.add_row(*(f"[bold]{cell.text}[/bold]" if cell.marked else cell.text for cell in row))
    console.print(shown, highlight=False)
    for note in table.notes:
        console.print(f"[dim]{note}[/dim]", highlight=False)

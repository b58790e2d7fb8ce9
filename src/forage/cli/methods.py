"""`forage methods`: the catalogue."""

from collections.abc import Sequence
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from forage.core.errors import ForageError
from forage.methods import METHODS


def show(name: Annotated[str | None, tyro.conf.Positional] = None, /) -> None:
    """Lists the methods, or tells everything about one.

    Args:
        name: a method.
    """
    console = Console()
    if name is None:
        for kind in ("algorithm", "exploration", "control"):
            console.print(_table(kind))
        console.print("`forage methods NAME` tells more. On the command line: --method NAME:setting=value,...")
        return
    if name not in METHODS:
        raise ForageError(f"There is no method {name!r}. The methods are: {', '.join(METHODS)}.")
    method = METHODS[name]
    console.print(f"[bold]{name}[/bold]  {method.kind}, seam: {method.seam}, {method.paper}\n")
    console.print(method.description, highlight=False)
    if method.control_of:
        console.print(f"A control of {method.control_of}.", highlight=False)
    elif controls := [other.name for other in METHODS.values() if other.control_of == name]:
        console.print(f"Controls: {', '.join(controls)}.", highlight=False)
    for key, default in method.parameters.items():
        console.print(f"  {key} = {default}", highlight=False)


def _table(kind: str) -> Table:
    table = Table(title=kind, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("method", no_wrap=True)
    table.add_column("seam", overflow="fold", max_width=16)
    table.add_column("what it does", overflow="fold")
    for name, method in METHODS.items():
        if method.kind == kind:
            table.add_row(name, method.seam, f"{method.summary} ({method.paper})")
    return table


def run(argv: Sequence[str]) -> int:
    tyro.cli(show, prog="forage methods", args=argv)
    return 0

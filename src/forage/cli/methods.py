"""`forage methods`: the catalogue."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from forage.cli.method_pages import Page, method_pages
from forage.cli.method_settings import explained
from forage.core.errors import ForageError
from forage.core.spec import did_you_mean


def show(name: Annotated[str | None, tyro.conf.Positional] = None, /) -> None:
    """Lists the methods, or tells everything about one.

    Args:
        name: a method.
    """
    console, pages = Console(highlight=False, markup=False), method_pages()
    if name is None:
        for kind in ("algorithm", "exploration", "control"):
            console.print(_table(kind, pages.values()))
        console.print("`forage methods NAME` tells more. On the command line: --method NAME:setting=value,...")
        return
    if name not in pages:
        raise ForageError(
            f"There is no method {name!r}. {did_you_mean(name, pages)}The methods are: {', '.join(pages)}."
        )
    page = pages[name]
    console.print(f"{name}  {page.kind}, seam: {page.seam}, {page.paper}\n", soft_wrap=True)
    for paragraph in page.description.split("\n\n"):
        console.print(fill(" ".join(paragraph.split()), console.width))
    if page.control_of:
        console.print(f"A control of {page.control_of}.")
    elif controls := [other.name for other in pages.values() if other.control_of == name]:
        console.print(fill(f"Controls: {', '.join(controls)}.", console.width))
    if page.parameters:
        console.print(_settings(page))


def _settings(page: Page) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("setting", no_wrap=True)
    table.add_column("default", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    for key, default in page.parameters.items():
        table.add_row(key, default, explained(page.name, key))
    return table


def _table(kind: str, pages: Iterable[Page]) -> Table:
    table = Table(title=kind, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("method", no_wrap=True)
    table.add_column("seam", overflow="fold", max_width=16)
    table.add_column("what it does", overflow="fold")
    for page in pages:
        if page.kind == kind:
            table.add_row(page.name, page.seam, f"{page.summary} ({page.paper})")
    return table


def run(argv: Sequence[str]) -> int:
    tyro.cli(show, prog="forage methods", args=argv)
    return 0

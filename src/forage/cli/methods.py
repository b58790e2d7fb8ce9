"""`forage methods`: the catalogue."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import fill

from forage.cli.method_pages import Page, method_pages
from forage.cli.method_settings import explained
from forage.cli.tables import Tables
from forage.core.errors import ForageError
from forage.core.result_table import ResultTable
from forage.core.spec import did_you_mean


def methods_command(name: str | None = None, /, *, json: bool = False, out: Path | None = None) -> None:
    """Lists the methods, or tells everything about one.

    Example: forage methods entropy_advantage

    Args:
        name: A method.
        json: Print tables as one JSON object.
        out: Where the result is written. A file; printed unless given.
    """
    shown, pages = Tables(json=json, out=out), method_pages()
    if name is None:
        for kind in ("algorithm", "exploration", "control"):
            shown.say(kind)
            shown.table(kind, _catalogue(kind, pages.values()))
        shown.say("`forage methods NAME` tells more. On the command line: --method NAME:setting=value,...")
    elif name in pages:
        _show_page(shown, pages[name], [other.name for other in pages.values() if other.control_of == name])
    else:
        guess = did_you_mean(name, pages)
        raise ForageError(f"There is no method {name!r}. {guess}The methods are: {', '.join(pages)}.")
    shown.finish()


def _show_page(shown: Tables, page: Page, controls: list[str]) -> None:
    for key in ("name", "kind", "seam", "paper", "description", "control_of"):
        shown.value(key, getattr(page, key))
    shown.value("controls", controls)
    shown.say(f"{page.name}  {page.kind}, seam: {page.seam}, {page.paper}\n")
    for paragraph in page.description.split("\n\n"):
        shown.say(fill(" ".join(paragraph.split()), shown.width))
    if page.control_of:
        shown.say(f"A control of {page.control_of}.")
    elif controls:
        shown.say(fill(f"Controls: {', '.join(controls)}.", shown.width))
    rows = [(key, default, explained(key, page.name, page.control_of)) for key, default in page.parameters.items()]
    if rows:
        shown.table("settings", ResultTable.of_texts(("setting", "default", "what it is"), rows))


def _catalogue(kind: str, pages: Iterable[Page]) -> ResultTable:
    rows = [(page.name, page.seam, f"{page.summary} ({page.paper})") for page in pages if page.kind == kind]
    return ResultTable.of_texts(("method", "seam", "what it does"), rows)


COMMAND = methods_command

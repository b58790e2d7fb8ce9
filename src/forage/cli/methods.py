"""`forage methods`: a map of the methods."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill

from forage.cli.method_pages import Page, families, measured_in_short, method_pages
from forage.cli.method_settings import explained
from forage.cli.tables import Tables
from forage.core.errors import ForageError
from forage.core.result_table import ResultTable
from forage.core.spec import did_you_mean

EVIDENCE = {"P": "published", "2nd": "reported by others", "O": "our choices", "M": "follows from the formulas"}
"""What the marks of the documents stand for."""

VALUES = (
    "name",
    "kind",
    "seam",
    "paper",
    "description",
    "control_of",
    "family",
    "page",
    "needs",
    "evidence",
    "measured",
)
"""What the object of one method holds, beside its controls and settings."""


def methods_command(name: str | None = None, /, *, json: bool = False, out: Path | None = None) -> None:
    """Lists the methods by family, or tells everything about one.

    Example: forage methods entropy_advantage

    Args:
        name: A method.
        json: Print tables as one JSON object.
        out: Where the result is written. A file; printed unless given.
    """
    shown, pages = Tables(json=json, out=out), method_pages()
    if name is None:
        _show_map(shown, pages)
    elif name in pages:
        _show_page(shown, pages[name], [other.name for other in pages.values() if other.control_of == name])
    else:
        guess = did_you_mean(name, pages)
        raise ForageError(f"There is no method {name!r}. {guess}The methods are: {', '.join(pages)}.")
    shown.finish()


def _show_map(shown: Tables, pages: Mapping[str, Page]) -> None:
    for family, members in families(pages).items():
        shown.say(family)
        shown.table(family, _family(members, pages))
    shown.say("Controls")
    shown.table("control", _controls(page for page in pages.values() if page.kind == "control"))
    algorithms = [page.name for page in pages.values() if page.kind == "algorithm"]
    shown.say(fill(f"Algorithms, of which a recipe has one, the first: {', '.join(algorithms)}.", shown.width))
    marks = [f"{mark} {words}" for mark, words in EVIDENCE.items()]
    shown.say(fill(f"Evidence: {', '.join(marks)}. Needs: what a method takes beyond a verdict.", shown.width))
    shown.say("`forage methods NAME` tells more. On the command line: --method NAME:setting=value,...")
    shown.value("algorithms", algorithms)
    shown.value("measured", {page.name: page.measured for page in pages.values() if page.measured})


def _show_page(shown: Tables, page: Page, controls: list[str]) -> None:
    for key in VALUES:
        shown.value(key, getattr(page, key))
    shown.value("controls", controls)
    shown.say(f"{page.name}  {page.kind}, seam: {page.seam}, {page.paper}\n")
    for paragraph in page.description.split("\n\n"):
        shown.say(fill(" ".join(paragraph.split()), shown.width))
    for line in _about(page, controls):
        shown.say(fill(line, shown.width))
    rows = [(key, default, explained(key, page.name, page.control_of)) for key, default in page.parameters.items()]
    if rows:
        shown.table("settings", ResultTable.of_texts(("setting", "default", "what it is"), rows))


def _about(page: Page, controls: Sequence[str]) -> Iterator[str]:
    """Sentences on what surrounds a method, those that there is something to say in."""
    if page.control_of:
        yield f"A control of {page.control_of}."
    elif controls:
        yield f"Controls: {', '.join(controls)}."
    if page.family:
        yield f"Family: {page.family} ({page.page})."
    if page.needs:
        yield f"Needs, beyond a verdict: {page.needs}."
    if page.evidence:
        yield f"Evidence: {'; '.join(f'{EVIDENCE[mark]} [{mark}]' for mark in page.evidence)}."
    if page.measured:
        yield f"Measured: {page.measured}"


def _family(members: Iterable[Page], pages: Mapping[str, Page]) -> ResultTable:
    rows = [
        (
            page.name,
            f"{page.summary} ({page.paper})",
            page.needs,
            ", ".join(other.name for other in pages.values() if other.control_of == page.name),
            " ".join(page.evidence),
            measured_in_short(page),
        )
        for page in members
    ]
    return ResultTable.of_texts(("method", "what it does", "needs", "controls", "evidence", "measured"), rows)


def _controls(pages: Iterable[Page]) -> ResultTable:
    rows = [(page.name, page.seam, f"{page.summary} ({page.paper})") for page in pages]
    return ResultTable.of_texts(("method", "seam", "what it does"), rows)


COMMAND = methods_command

"""The page itself: sections through the template into one file that needs no network."""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from forage.core.atomic import explain_io_errors, write_file
from forage.report.blocks import Figure, Figures, Section
from forage.report.group import read_runs
from forage.report.sections import SECTIONS

NAMED = 4
"""Groups that the title names."""


def build_report(directories: Sequence[Path | str], out: Path | str, *, title: str = "Forage report") -> Path:
    """Writes one HTML file about the directories and returns its path.

    A directory is a run (`recipe.json`) or a model folder with evaluations (`evals/*.json`). What is missing in a
    directory is said on the page. Raises ForageError where a directory holds nothing to report, or `out` cannot be
    written.
    """
    out = Path(out)
    runs = read_runs([Path(directory) for directory in directories])
    sections = [section for make in SECTIONS if (section := make(runs)) is not None]
    labels = [group.label for group in (runs.trained or runs.groups)]
    subject = ", ".join(labels[:NAMED]) + (f" and {len(labels) - NAMED} more" if len(labels) > NAMED else "")
    _write(out, render(sections, title=title, subject=subject))
    return out


def render(sections: Sequence[Section], *, title: str, subject: str) -> str:
    """The HTML of a page: styles, scripts and data inline, everything else escaped and nothing fetched.

    The content policy allows exactly the scripts that are in the page, and no connection, so even a response that
    somehow got out of its escaping could neither run nor call home.
    """
    figures = [
        figure
        for section in sections
        for block in section.blocks
        if isinstance(block, Figures)
        for figure in block.figures
    ]
    scripts = [get_plotlyjs(), _resource("page.js")]
    policy = (
        f"default-src 'none'; script-src {' '.join(_digest(script) for script in scripts)}; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return (
        _template()
        .render(
            title=title,
            subject=subject,
            sections=sections,
            policy=policy,
            style=Markup(_resource("page.css")),
            scripts=[Markup(script) for script in scripts],
            data=figure_data(figures),
        )
        .lstrip()
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_resource("page.html"))


def figure_data(figures: Sequence[Figure]) -> Markup:
    """The figures as JSON that may stand inside a script element; numbers that are not finite become null."""
    value = {
        figure.id: {"data": figure.traces, "layout": {**figure.layout, "height": figure.height}} for figure in figures
    }
    text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _finite(value: Any) -> Any:
    """The same JSON without NaN or infinities; floats keep six significant digits, more than a screen can show."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _digest(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _resource(name: str) -> str:
    return files("forage.report").joinpath(name).read_text(encoding="utf-8")


def _write(out: Path, html: str) -> None:
    with explain_io_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, html.encode())

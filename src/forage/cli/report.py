"""`forage report DIR ...`: one offline HTML page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from forage.core.errors import ForageError
from forage.report import build_report


def report_command(
    directories: Annotated[tuple[Path, ...], tyro.conf.Positional], /, *, out: Path | None = None
) -> None:
    """Writes one page about runs and base models: curves, tables, training, sample responses. It needs no network.

    Args:
        directories: run directories, model folders that were evaluated, and files or folders of samples that other
            tools wrote (see `forage passk`); name the base first.
        out: the file; report.html in the last directory (or beside the last file) unless given.
    """
    if not directories:
        raise ForageError("A report about what? Name at least one run directory.")
    last = directories[-1]
    page = build_report(directories, out or (last.parent if last.is_file() else last) / "report.html")
    Console(stderr=True).print(f"Report: {page}", highlight=False, soft_wrap=True)


def run(argv: Sequence[str]) -> int:
    tyro.cli(report_command, prog="forage report", args=argv)
    return 0

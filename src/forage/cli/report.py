"""`forage report DIR ...`: one offline HTML page."""

from pathlib import Path

from forage.cli.progress import say
from forage.core.errors import ForageError
from forage.report import build_report


def report_command(directories: tuple[Path, ...], /, *, out: Path | None = None) -> None:
    """Writes one page about runs and base models: curves, tables, training, sample responses. It needs no network.

    Example: forage report runs/base runs/first --out report.html

    Args:
        directories: Run directories, model folders that were evaluated, and files or folders of samples that other
            tools wrote (see `forage passk`); name the base first.
        out: Where the result is written. A file; report.html in the last directory, or beside the last file, unless
            given.
    """
    if not directories:
        raise ForageError("A report about what? Name at least one run directory.")
    last = directories[-1]
    page = build_report(directories, out or (last.parent if last.is_file() else last) / "report.html")
    say(f"Report: {page}")


COMMAND = report_command

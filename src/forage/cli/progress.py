"""Progress that a person can follow: a bar, the time left, and the numbers that matter now."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from forage.core.interrupts import Interrupted
from forage.core.protocols import OnProgress, Task

SHOWN = 5
"""Rejected rows that are printed; the rest is counted."""

LINE_SECONDS = 60.0
"""Between two lines of progress where the output is no terminal."""


@contextmanager
def progress_bar(label: str, console: Console | None = None) -> Iterator[OnProgress]:
    """Yields a function (done, total, note) that moves the bar. Off a terminal it prints a line now and then."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(label, console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(label, total=None, note="")

        def move(done: int, total: int, note: str = "") -> None:
            progress.update(task, completed=done, total=total, note=note)

        yield move


@contextmanager
def message_on_interrupt(sentence: str) -> Iterator[None]:
    """Lets Ctrl-C pass on with the sentence that says what it left behind, unless it has one: it is printed once."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt as error:
        raise Interrupted(sentence) from error


class _Lines:
    """For logs: the first line at once, then at most one a minute, and one at the end."""

    def __init__(self, label: str, console: Console) -> None:
        self._label, self._console, self._due, self._ended = label, console, -math.inf, False

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now, ended = time.monotonic(), done >= total
        if now < self._due and (self._ended or not ended):
            return
        self._due, self._ended = now + LINE_SECONDS, ended
        self._console.print(f"{self._label} {done}/{total} {note}".rstrip(), highlight=False, soft_wrap=True)


def training_note(metrics: Mapping[str, float]) -> str:
    """The few numbers worth watching while a run trains."""
    shown = (("correct", "correct", 2), ("entropy", "entropy", 3), ("length", "length", 0), ("truncated", "cut", 2))
    parts = [
        f"{name} {metrics[key]:.{digits}f}" for key, name, digits in shown if math.isfinite(metrics.get(key, math.nan))
    ]
    return "  ".join(parts)


def say(text: str, *, quiet: bool = False) -> None:
    """A sentence beside the results: on the terminal even where those are piped."""
    Console(stderr=True, quiet=quiet).print(text, highlight=False, markup=False, soft_wrap=True)


def say_rejected(rejected: Sequence[object]) -> None:
    """The first rows that were not read or not used, each with its reason, and how many there are."""
    for each in rejected[:SHOWN]:
        say(f"Rejected: {str(each).removesuffix('.')}.")
    if len(rejected) > SHOWN:
        say(f"{len(rejected)} rows were rejected in all.")


def say_notes(task: Task | None) -> None:
    """What the task has to say about its problems."""
    for note in task.notes() if task else ():
        say(note)

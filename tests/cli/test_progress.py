"""Progress in a log."""

import io

import pytest
from rich.console import Console

from forage.cli import progress


def test_a_log_gets_a_line_a_minute_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, *(6.0 * step for step in range(1, 31))])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    written = io.StringIO()
    with progress.progress_bar("train", Console(file=written)) as move:
        for step in range(31):
            move(step, 30)
    assert written.getvalue().split("\n")[:-1] == ["train 0/30", "train 10/30", "train 20/30", "train 30/30"]

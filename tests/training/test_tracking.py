"""Trackers watch a run and cannot end it. (`optional/tracking.py` runs the real libraries.)"""

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.training.tracking import TRACKERS, tracking


class Fake:
    """Remembers its rows; fails at a step, or when it closes."""

    def __init__(self, run: Path, row: Mapping[str, float], *, fails_at: int = 0, fails_to_close: bool = False) -> None:
        self.rows: list[float] = []
        self.closed = 0
        self._fails_at, self._fails_to_close = fails_at, fails_to_close

    def write(self, row: Mapping[str, float]) -> None:
        if row["step"] == self._fails_at:
            raise RuntimeError("no route to host\nand a long trace")
        self.rows.append(row["step"])

    def close(self) -> None:
        self.closed += 1
        if self._fails_to_close:
            raise OSError("disk full")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fake]:
    """The trackers that were opened, both libraries being there."""
    opened: dict[str, Fake] = {}

    def open_tensorboard(run: Path, row: Mapping[str, float]) -> Fake:
        return opened.setdefault("tensorboard", Fake(run, row, fails_at=2))

    def open_wandb(run: Path, row: Mapping[str, float]) -> Fake:
        return opened.setdefault("wandb", Fake(run, row, fails_to_close=True))

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(TRACKERS, "tensorboard", open_tensorboard)  # pyright: ignore[reportArgumentType]
    monkeypatch.setitem(TRACKERS, "wandb", open_wandb)  # pyright: ignore[reportArgumentType]
    return opened


def test_a_failing_tracker_is_reported_once_and_left_out(made: dict[str, Fake], tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with tracking(("tensorboard", "wandb"), tmp_path) as on_step:
            assert not made, "trackers open with the first row, when the run directory is there"
            for step in (1, 2, 3):
                on_step({"step": step})
    assert made["tensorboard"].rows == [1]
    assert made["wandb"].rows == [1, 2, 3]
    assert made["wandb"].closed == 1
    said = [str(one.message) for one in caught]
    assert len(said) == 2
    assert "tensorboard failed" in said[0]
    assert "(no route to host)" in said[0]
    assert "metrics.jsonl has every row" in said[0]
    assert "wandb failed" in said[1]


def test_an_interrupt_passes_and_trackers_are_closed(made: dict[str, Fake], tmp_path: Path) -> None:
    def interrupted() -> None:
        with tracking(("wandb",), tmp_path) as on_step:
            on_step({"step": 1})
            raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    assert made["wandb"].closed == 1


def test_a_missing_library_is_said_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(ForageError, match=r"wandb is not installed: run `pip install 'forage-rl\[track\]'`"),
        tracking(("wandb",), tmp_path),
    ):
        pass


def test_no_tracker_is_no_work(tmp_path: Path) -> None:
    with tracking((), tmp_path) as on_step:
        on_step({"step": 1})
    assert list(tmp_path.iterdir()) == []

"""Random kills, by hand: `pytest -m slow tests/test_kills.py`, or more of them with `python benchmarks/kills.py`."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", [(), ("--started", "--only", "training")], ids=["forked", "started"])
def test_kills_and_interrupts_lose_nothing(how: tuple[str, ...], tmp_path: Path) -> None:
    script = Path(__file__).parent.parent / "benchmarks" / "kills.py"
    command = [sys.executable, str(script), "--kills", "20", "--out", str(tmp_path / "kills"), *how]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

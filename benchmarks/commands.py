"""How the experiments run `forage`: a process for each command, one thread each, finished parts kept."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def forage(*arguments: object, show: bool = False) -> str:
    """Runs `forage` with these arguments, shown or not; returns what it said on standard error (nothing if shown)."""
    command = [sys.executable, "-m", "forage", *map(str, arguments)]
    done = subprocess.run(command, capture_output=not show, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stderr or ""


def trained(run: Path, recipe: str, *settings: object, methods: Sequence[str]) -> Path:
    """The run, trained from its first step, or from where it was interrupted."""
    if run.exists():
        forage("resume", run)
    else:
        chosen = [text for name in methods for text in ("--method", name)]
        forage("train", recipe, "--out", run, "--threads", 1, *settings, *chosen)
    return run

"""Environments for the checks in this folder: the project's pinned packages, and what an extra needs."""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pinned_environment(place: Path, *wanted: str) -> Path:
    """The Python of the environment at `place`, which is made where it is missing, with `wanted` beside the pins."""
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    torch = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch==")]
    subprocess.run([*install, *torch], check=True)  # first, so that nothing else chooses another build
    subprocess.run([*install, "-r", str(ROOT / "requirements.txt")], check=True)
    subprocess.run([*install, *torch, *wanted], check=True)
    return python


def run_check(file: str, inside: Callable[[Path], None], name: str, *wanted: str) -> int:
    """What the script `file` does: with `--inside` the check, in a folder of its own; else that in an environment.

    The environment lies where the command line says, else below the temporary folder under `name`, and has `wanted`.
    Returns the exit code.
    """
    if sys.argv[1:] == ["--inside"]:
        sys.path.append(str(ROOT / "tests"))
        with tempfile.TemporaryDirectory() as temporary:
            inside(Path(temporary))
        print("\nAll of it holds.")
        return 0
    python = pinned_environment(Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / name), *wanted)
    paths = os.pathsep.join(str(ROOT / part) for part in ("src", "tests"))
    known = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run([str(python), file, "--inside"], env=known, check=False).returncode

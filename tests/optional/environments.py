"""Environments for the checks in this folder: the project's pinned packages, and what an extra needs."""

import subprocess
import venv
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

"""The verl adapter on verl's own data protocol, estimator, loss and registry, through Ray, on a CPU.

    python tests/optional/verl.py [--environment FOLDER]

makes an environment of its own (a folder under the temporary one unless named; kept for the next time) with the pinned
torch, verl 0.9 and TransferQueue, installs this package there so that verl finds its plug-in by entry point, and runs
tests/adapters/test_verl_real.py. The rollouts of verl need a GPU (vLLM or SGLang); everything behind them does not.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WANTED = ("verl==0.9.*", "TransferQueue>=0.1.10", "cachetools", "fastapi", "uvicorn", "pytest", "pytest-timeout")
OURS = ("tyro>=0.9", "rich>=13", "jinja2>=3.1", "plotly>=6", "math-verify[antlr4_13_2]>=0.8")


def environment(place: Path) -> Path:
    """The Python of the environment, which is made where it is missing."""
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        torch = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch==")]
        subprocess.run([*install, *torch], check=True)  # first, so that nothing else chooses another build
        subprocess.run([*install, *torch, *WANTED, *OURS], check=True)
        subprocess.run([*install, "--no-deps", "--editable", str(ROOT)], check=True)
    return python


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "forage-verl")
    python = environment(parser.parse_args().environment)
    known = {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("src", "tests")), "OMP_NUM_THREADS": "1"}
    command = [str(python), "-m", "pytest", "-q", "-rs", "-W", "ignore", "tests/adapters/test_verl_real.py"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | known | {"RAY_AUTH_MODE": "disabled"}).returncode


if __name__ == "__main__":
    sys.exit(main())

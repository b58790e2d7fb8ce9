"""Trackers with their real libraries, in an environment of its own: `python tests/optional/tracking.py [FOLDER]`.

Makes a virtual environment in FOLDER (a temporary one unless given; an existing one is used again) that sees the
packages of this one and adds TensorBoard and Weights & Biases. Then it trains the tiny lab with both, offline, resumes,
reads back what they wrote, and sees a tracker fail. Nothing leaves the machine.
"""

import json
import os
import site
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("tensorboard>=2.18", "wandb>=0.19")


def environment(folder: Path) -> Path:
    """The interpreter of the environment, made where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    if subprocess.run([python, "-c", "import tensorboard, wandb"], capture_output=True).returncode:
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "base.pth").write_text("\n".join(site.getsitepackages()) + "\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *LIBRARIES], check=True)
    return python


def forage(python: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    known = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", **variables}
    command = [str(python), "-m", "forage", *map(str, arguments)]
    return subprocess.run(command, env=known, capture_output=True, text=True)


def check(condition: bool, what: str) -> None:
    print(("ok    " if condition else "FAILED  ") + what, flush=True)
    if not condition:
        raise SystemExit(1)


def read_tensorboard(python: Path, run: Path) -> dict[str, dict[int, float]]:
    program = (
        "import json, sys\n"
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        "found = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0}); found.Reload()\n"
        "tags = found.Tags()['scalars']\n"
        "print(json.dumps({tag: {e.step: e.value for e in found.Scalars(tag)} for tag in tags}))\n"
    )
    output = subprocess.run(
        [python, "-c", program, run / "tensorboard"], capture_output=True, text=True, check=True
    ).stdout
    return {tag: {int(step): value for step, value in rows.items()} for tag, rows in json.loads(output).items()}


def wandb_holds(run: Path, rows: list[dict[str, float]]) -> bool:
    """Whether the offline file has every row's entropy, written out as JSON writes it."""
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    content = file.read_bytes()
    return b"entropy" in content and all(json.dumps(row["entropy"]).encode() in content for row in rows)


def main(folder: Path) -> None:
    python = environment(folder)
    sys.path.insert(0, str(ROOT / "src"))
    from forage.base_models.countdown import BaseSettings, build
    from forage.store.run_directory import RunDirectory

    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        tiny = BaseSettings(traces=800, steps=60, batch=32, layers=2, hidden=32, heads=2, head_dim=16, inner=64)
        base = build(tiny, place / "base", progress=False)
        settings = ["--groups", "2", "--group-size", "4", "--max-tokens", "24", "--checkpoint-every", "2"]
        both = ["--track", "tensorboard", "--track", "wandb"]
        command = ["train", "countdown", "--model", base, *settings, *both]

        run = place / "run"
        done = forage(python, *command, "--steps", "5", "--out", run, WANDB_MODE="offline")
        check(done.returncode == 0, f"a run with both trackers ends well {done.stderr if done.returncode else ''}")
        rows = RunDirectory.open(run).metrics()
        scalars = read_tensorboard(python, run)
        same = all(abs(scalars["entropy"][int(row["step"])] - row["entropy"]) < 1e-5 for row in rows)
        check(same and len(scalars["entropy"]) == 5, "TensorBoard holds the rows of metrics.jsonl")
        check(wandb_holds(run, rows), "Weights & Biases holds the rows of metrics.jsonl, offline")

        (run / "checkpoints" / "step-000005").rename(place / "aside")
        done = forage(python, "resume", run, *both, WANDB_MODE="offline")
        check(done.returncode == 0, "a run that goes on before its last rows does so with both trackers")
        scalars = read_tensorboard(python, run)
        check(sorted(scalars["entropy"]) == [1, 2, 3, 4, 5], "TensorBoard shows the repeated row once")

        bad = place / "bad"
        blocked = {"WANDB_MODE": "online", "WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
        blocked["WANDB_INIT_TIMEOUT"] = "5"
        done = forage(python, *command, "--steps", "3", "--out", bad, **blocked)
        check(done.returncode == 0, f"a tracker that cannot reach its server does not end a run {done.stderr}")
        check(done.stderr.count("The tracker wandb failed") == 1, "and is reported once")
        rows = RunDirectory.open(bad).metrics()
        check(len(rows) == 3 and len(read_tensorboard(python, bad)["entropy"]) == 3, "and nothing else is lost")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made) / "environment")

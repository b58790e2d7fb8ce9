"""Seconds per reinforcement-learning step, Forage against TRL's GRPOTrainer: `python benchmarks/against_trl.py`.

Same checkpoint, problems, verifier, group sizes, response limit and optimizer steps; the engines take turns, and
ratios are of neighboring runs. TRL runs with its defaults and tuned (bfloat16, eager attention, no gradient
checkpointing), in an environment that this script makes (`--environment`), because TRL is no dependency of Forage.

`--workload words --model DIR` asks a chat model, such as SmolLM2-135M-Instruct, 8 word problems of about 100 tokens, 8
responses each, with a verdict that varies in every group, so that no response is left out of the update.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from words_workload import texts

HERE = Path(__file__).parent
PINS = ("torch==2.13.0", "transformers==5.23.0", "trl==1.16.0")


@dataclass
class Settings:
    """How much is measured."""

    workload: Literal["lab", "words"] = "lab"
    """Countdown with a tiny model, or word problems with a chat model."""
    model: str | None = None
    """Checkpoint; the experiment-size lab base unless given."""
    steps: int = 6
    """Steps of each run; the first is warm-up and not counted."""
    rounds: int = 3
    """How often the engines take turns."""
    threads: int = 1
    """Threads of the matrix products."""
    max_tokens: int = 64
    """Response limit."""
    environment: Path = HERE / ".venv-trl"
    """Where TRL lives; made on the first run."""


def main(settings: Settings) -> None:
    python = trl_python(settings.environment)
    job = make_job(settings)
    results: dict[str, list[dict[str, Any]]] = {"forage": [], "trl defaults": [], "trl tuned": []}
    for number in range(settings.rounds):
        for name in results:
            results[name].append(run(name, python, job))
            print(f"round {number + 1}: {name:13s} {median(results[name][-1]):.2f} s/step", file=sys.stderr)
    print(f"\n{'':14s}{'s/step':>8s}{'tokens/step':>13s}{'us/token':>10s}{'peak GiB':>10s}{'Forage is':>14s}")
    for name, runs in results.items():
        pairs = zip(runs, results["forage"], strict=True)
        ratio = statistics.median(per_token(theirs) / per_token(ours) for theirs, ours in pairs)
        tokens = statistics.mean(sum(run["tokens"][1:]) / len(run["tokens"][1:]) for run in runs)
        print(
            f"{name:14s}{statistics.median(map(median, runs)):8.2f}{tokens:13.0f}"
            f"{1e6 * statistics.median(map(per_token, runs)):10.0f}{max(r['peak_gib'] for r in runs):10.2f}"
            + (f"{ratio:11.2f} x" if name != "forage" else "")
        )
    print("Ratios are of seconds per sampled token, neighboring runs, median over rounds.")


def median(run: dict[str, Any]) -> float:
    return statistics.median(run["seconds"][1:])


def per_token(run: dict[str, Any]) -> float:
    return sum(run["seconds"][1:]) / sum(run["tokens"][1:])


def trl_python(environment: Path) -> str:
    python = environment / "bin" / "python"
    if not python.exists():
        print(f"Making an environment for TRL in {environment} ...", file=sys.stderr)
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PINS], check=True)
    return str(python)


def make_job(settings: Settings) -> dict[str, Any]:
    shared = {
        "workload": settings.workload,
        "mini_batches": 2,
        "max_tokens": settings.max_tokens,
        "steps": settings.steps,
        "threads": settings.threads,
        "source": str(HERE.parent / "src"),
    }
    if settings.workload == "words":
        if settings.model is None:
            raise SystemExit("The workload words needs a chat model: --model DIR.")
        # So small a learning rate that every step, in either engine, samples from the same policy.
        return {**shared, "model": settings.model, "prompts": texts(8), "groups": 8, "group_size": 8, "lr": 1e-9}
    from forage.base_models.countdown import build_base
    from forage.tasks.countdown import Countdown

    prompts = [problem.prompt for problem in Countdown(size="experiment").problems("train")]
    return {
        "model": settings.model or str(build_base(size="experiment")),
        "prompts": prompts,
        "groups": 16,
        "group_size": 16,
        "lr": 1e-6,
        **shared,
    }


def run(name: str, python: str, job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as out:
        job = {**job, "out": out, "tuned": name == "trl tuned"}
        command = (
            [sys.executable, __file__, "--forage-side"] if name == "forage" else [python, str(HERE / "trl_side.py")]
        )
        done = subprocess.run([*command, json.dumps(job)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def forage_side(job: dict[str, Any]) -> None:
    """Forage's half, in a process of its own like TRL's."""
    from forage.recipes import countdown, table
    from forage.training.loop import train

    settings: dict[str, Any] = {
        name: job[name]
        for name in ("model", "steps", "lr", "max_tokens", "mini_batches", "threads", "groups", "group_size")
    }
    settings |= {"checkpoint_every": 0, "rollouts_every": 0}
    if job["workload"] == "words":
        data = Path(job["out"]) / "words.jsonl"
        data.write_text("".join(json.dumps({"prompt": text, "answer": "-"}) + "\n" for text in job["prompts"]))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])  # of the verifier
        verifier = "python:words_workload:is_right"
        recipe = table(data=data, test_share=0.0, verifier=verifier, template="chat", **settings)
    else:
        recipe = countdown(size="experiment", **settings)
    rows: list[dict[str, float]] = []
    train(
        recipe,
        out=Path(job["out"]) / "run",
        on_step=lambda metrics: rows.append(dict(metrics)),
    )
    tokens = [row["tokens"] for row in rows]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sampled = [after - before for before, after in zip([0, *tokens], tokens, strict=False)]
    print(json.dumps({"seconds": [row["seconds"] for row in rows], "tokens": sampled, "peak_gib": peak}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--forage-side"]:
        forage_side(json.loads(sys.argv[2]))
    else:
        main(tyro.cli(Settings))

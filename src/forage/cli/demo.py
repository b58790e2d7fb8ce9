"""`forage demo`: the whole experiment in minutes, from nothing to a report."""

import os
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from forage.base_models.colouring import build_coloring_base
from forage.bench.plan import Bench, computed_alike
from forage.bench.train import evaluate_base, train_bench
from forage.cli.bench import run_here
from forage.cli.progress import message_on_interrupt, progress_bar
from forage.cli.tables import Tables
from forage.evaluation.exact import exact_table
from forage.methods import Applied, dr_grpo, mode_diversity, mode_diversity_random, mode_replay
from forage.recipes import colouring
from forage.report import build_report
from forage.training.exact import exact_evaluation

REPLAY = 5.0
"""Strength of the replayed likelihood: times (G-1)/G^2 of 16 siblings it is .29 beside the policy gradient."""

METHODS: tuple[tuple[str, tuple[Applied, ...]], ...] = (
    ("dr_grpo", (dr_grpo(),)),
    ("mode_diversity", (dr_grpo(), mode_diversity(rule="ips"))),
    ("mode_diversity_random", (dr_grpo(), mode_diversity_random(rule="ips"))),
    ("mode_replay", (dr_grpo(), mode_replay(coefficient=REPLAY))),
)
"""Plain reinforcement learning, two methods that keep what it loses, and the control of the first."""

KS = (1, 8, 64)
"""Of the exact table that is printed."""

LOOKS = 4
"""How often rollouts are kept on the way, so that the report has some to show."""


@message_on_interrupt("Interrupted; what was finished is kept: the same command goes on.")
def demo(*, out: Path = Path("runs/demo"), steps: int = 256, n: int = 128, seed: int = 0, json: bool = False) -> None:
    """Trains a tiny model on graph coloring by plain RL and by methods that keep several right answers, and reports.

    What is there already is not done again: an interrupted demo goes on where it stopped.

    Example: forage demo --steps 64 --n 16

    Args:
        out: Where the result is written. A folder for the runs and the report.
        steps: Training steps. Each run takes as many.
        n: Responses per problem. The report's evaluations are sampled; the table that is printed is exact.
        seed: Random seed. It decides the base model, the training graphs and all runs.
        json: Print tables as one JSON object.
    """
    console = Console(stderr=True)
    console.print("Base model: built once in about a minute, then cached ...", highlight=False)
    base = build_coloring_base(seed=seed)
    console.print(f"Base model: {base}", highlight=False, soft_wrap=True)
    bench = _plan(out, steps, n, seed)
    with progress_bar("eval base", console) as move:
        evaluated = evaluate_base(bench, base, move)
    with progress_bar(f"train {len(bench.runs)} runs", console) as move:
        train_bench(bench, run_here, move)
    shown = Tables(json=json)
    shown.say(f"Exact values of all answers to test problems, seed {seed} (one seed shows no spread):")
    exact = [replace(exact_evaluation(path, ks=KS), label=path.name) for path in bench.runs]
    shown.table("exact", exact_table([replace(exact_evaluation(base, ks=KS), label="base"), *exact]))
    shown.say("PCMD is the chance that two right answers differ; distinct@k counts the right answers among k samples.")
    shown.finish()
    page = build_report((evaluated, *bench.runs), out / "report.html")
    console.print(f"Report: {page}  (open it in a browser; it needs no network)", highlight=False, soft_wrap=True)


def _plan(out: Path, steps: int, n: int, seed: int) -> Bench:
    """As many runs at a time as there are cores, with one thread each: more would not help so small a model."""
    recipes = {
        out / name: colouring(
            method=methods, steps=steps, seed=seed, world_seed=seed, rollouts_every=max(1, steps // LOOKS), threads=1
        )
        for name, methods in METHODS
    }
    cores = len(os.sched_getaffinity(0))
    return Bench(out, computed_alike(recipes), n, tuple(k for k in KS if k <= n), min(cores, len(recipes)))


COMMAND = demo

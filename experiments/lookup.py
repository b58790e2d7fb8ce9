"""Lookup: what the two stages of R1-Searcher do, and whether it is the documents that help.

    python experiments/lookup.py --out runs/lookup --seeds 0,1,2

Trains each arm with each seed from one base model, evaluates it on the test questions with the documents of the task
and with shuffled ones, and writes one line of JSON per run to OUT/rows.jsonl. Interrupted, the same command goes on
with the arms that are missing. Ends with means over seeds and with differences by pairs of seeds and their 95%
t-intervals.
"""

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from paired import tables
from runs import trained

from forage.core.protocols import Task
from forage.core.turns import environment_of
from forage.evaluation.evaluation import Evaluation
from forage.recipes import lookup
from forage.store.run_directory import RunDirectory
from forage.tasks.search import SearchEnvironment
from forage.tasks.with_environment import with_environment
from forage.training.checkpoints import evaluate_checkpoint
from forage.training.recipe import Recipe

STEPS = 40
ARMS: Mapping[str, tuple[tuple[int, str], ...]] = {
    "base": (),
    "stage 1": ((STEPS, "r1_searcher:stage=1"),),
    "stage 1, then 2": ((STEPS, "r1_searcher:stage=1"), (STEPS, "r1_searcher:stage=2")),
    "stage 2 only": ((2 * STEPS, "r1_searcher:stage=2"),),
    "stage 1, then 2, shuffled documents (control)": (
        (STEPS, "r1_searcher_shuffled:stage=1"),
        (STEPS, "r1_searcher_shuffled:stage=2"),
    ),
}
"""Runs one after the other, each from what the one before became: steps and what joins GRPO."""
PAIRS = (
    ("stage 1, then 2", "base"),
    ("stage 1, then 2", "stage 2 only"),
    ("stage 1, then 2", "stage 1, then 2, shuffled documents (control)"),
    ("stage 1, then 2", "stage 1"),
)
SAMPLES = 32
"""Responses to each test question."""
METRICS = ("replies", "correct", "length")
COLUMNS = ("test", "test, shuffled documents", *METRICS)


def work(arm: str, seed: int, out: Path) -> dict[str, float]:
    """One arm from its base to its numbers: of the test, and of the last ten steps."""
    values: dict[str, float] = {}
    recipe = of_stage(seed, STEPS, "")
    task, checkpoint, done = recipe.task, recipe.model, ""
    for steps, method in ARMS[arm]:
        done += f"{method}-{steps}-"
        place = out / "runs" / f"{_name(done)}{seed}"
        trained(of_stage(seed, steps, method, checkpoint), place)  # a first stage serves all that go on from it
        run = RunDirectory.open(place)
        checkpoint, last = str(run.latest_checkpoint()), run.metrics()[-10:]
        values = {name: math.fsum(row.get(name, 0.0) for row in last) / 10 for name in METRICS}
    environment = environment_of(task)
    assert isinstance(environment, SearchEnvironment)
    shuffled = with_environment(task, replace(environment, shuffled=True))
    for column, documents in (("test", task), ("test, shuffled documents", shuffled)):
        values[column] = pass_at_1(checkpoint, documents, out / "evaluated" / f"{_name(arm)}-{seed}")
    return values


def pass_at_1(checkpoint: str, task: Task, out: Path) -> float:
    (file,) = evaluate_checkpoint(checkpoint, task=task, n=SAMPLES, threads=1, out=out)
    problems = Evaluation.load(file).problems
    return math.fsum(each.correct for each in problems) / (SAMPLES * len(problems))


def of_stage(seed: int, steps: int, method: str, model: str | None = None) -> Recipe:
    methods = ["grpo", *filter(None, [method])]
    return lookup(seed=seed, steps=steps, method=methods, model=model, matmul="highest", threads=1)


def _name(arm: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in arm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", default="0,1,2")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    out = Path(flags.out)
    file = out / "rows.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for seed in map(int, flags.seeds.split(",")):
        for arm in ARMS:
            if any((row["arm"], row["seed"]) == (arm, seed) for row in rows):
                continue
            rows.append({"arm": arm, "seed": seed, "values": work(arm, seed, out)})
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            print(f"seed {seed}: {arm}: {rows[-1]['values']}", flush=True)
    print(tables(rows, COLUMNS, PAIRS, arms=ARMS, compared=("test",)))


if __name__ == "__main__":
    main()

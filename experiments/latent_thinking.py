"""HRPO beside its controls on graph coloring: does thinking partly in embeddings help, and is it what was expected?

    python experiments/latent_thinking.py --out runs/latent --seeds 0,1,2

Trains each arm with each seed and samples responses to the test graphs; writes one line of JSON per run to
OUT/latent.jsonl. Interrupted, the same command goes on with what is missing. Ends with the means over seeds, and the
differences of arms by pairs of seeds with 95% t-intervals.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paired import differences, mean
from runs import trained

from forage.evaluation.evaluation import Evaluation
from forage.ops.passk import pass_at_k
from forage.recipes import RECIPES
from forage.store.run_directory import RunDirectory
from forage.training.checkpoints import evaluate_checkpoint

OPEN = "lambda_min=0.5,lambda_max=0.9,gate_lr=1e-3,lambda_lr=1e-2"
ARMS: Mapping[str, str] = {
    "shut gates (control)": "hrpo_shut",
    "HRPO as published": "hrpo",
    "HRPO, open gates": f"hrpo:{OPEN}",
    "HRPO, open gates, dealt anew (control)": f"hrpo_shuffled:{OPEN}",
}
PAIRS = [
    ("HRPO as published", "shut gates (control)"),
    ("HRPO, open gates", "shut gates (control)"),
    ("HRPO, open gates", "HRPO, open gates, dealt anew (control)"),
]
COLUMNS = ("pass@1", "pass@8", "right", "entropy", "kept")
SAMPLES = 16


def work(arm: str, seed: int, steps: int, out: Path) -> dict[str, float]:
    """One run: the means of its last ten steps, and what its model solves of the test graphs, by samples."""
    settings: dict[str, Any] = {"seed": seed, "steps": steps, "matmul": "highest", "threads": 1, "groups": 4}
    recipe = RECIPES["colouring"](**settings, answers="long", method=[ARMS[arm]])
    name = "".join(each if each.isalnum() else "-" for each in arm)
    began = time.process_time()
    path = trained(recipe, out / "runs" / f"{name}-{seed}").path
    rows = RunDirectory.open(path).metrics()[-10:]
    learned = time.process_time() - began
    (file,) = evaluate_checkpoint(path, n=SAMPLES, seed=1, workers=0)
    outcomes = Evaluation.load(file).problems
    correct = [outcome.correct for outcome in outcomes]
    solved = {f"pass@{k}": float(pass_at_k(SAMPLES, correct, k).mean()) for k in (1, 8)}
    names = {"right": "correct", "entropy": "entropy", "kept": "kept_share"}
    seen = {short: statistics.fmean(row[name] for row in rows) for short, name in names.items()}
    return {**solved, **seen, "cpu": learned}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/latent")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=64)
    flags = parser.parse_args()
    file = Path(flags.out) / "latent.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    numbers = {(row["arm"], row["seed"]): row["values"] for row in rows}
    for seed in map(int, flags.seeds.split(",")):
        for arm in ARMS:
            if (arm, seed) not in numbers:
                numbers[arm, seed] = work(arm, seed, flags.steps, Path(flags.out))
                with file.open("a") as stream:
                    stream.write(json.dumps({"arm": arm, "seed": seed, "values": numbers[arm, seed]}) + "\n")
                print(arm, seed, {name: round(value, 3) for name, value in numbers[arm, seed].items()}, flush=True)
    names = (*COLUMNS, "cpu")
    print("| arm | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|", sep="\n")
    for arm in ARMS:
        mine = [row for (each, _), row in numbers.items() if each == arm]
        print(f"| {arm} | {' | '.join(mean([row[name] for row in mine]) for name in names)} |")
    print("", differences(numbers, PAIRS, COLUMNS), sep="\n")


if __name__ == "__main__":
    main()

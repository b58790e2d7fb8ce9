"""Methods of neighboring papers beside what they add to and beside their controls, on the toy tasks.

    python experiments/related.py bandit --out runs/related --seeds 0,1,2
    python experiments/related.py colouring --out runs/related --seeds 0,1,2

Trains each arm with each seed and writes one line of JSON per run to OUT/WORLD.jsonl: the means of the last ten steps,
whose responses are sampled before they are learned from, and what is known exactly of the test graphs of coloring.
Interrupted, the same command goes on with what is missing. Ends with the means over seeds, and the differences of arms
by pairs of seeds with 95% t-intervals.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paired import tables
from runs import trained

from forage.recipes import RECIPES
from forage.store.run_directory import RunDirectory
from forage.training.exact import exact_evaluation

ARMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bandit": {
        "GRPO": ("grpo",),
        "BARL": ("grpo", "barl"),
        "BARL, dealt anew (control)": ("grpo", "barl_shuffled"),
    },
    "colouring": {
        "ZPG": ("zpg:radius=0.5,lr=3e-7",),
        "ZPG, signs drawn (control)": ("zpg_random:radius=0.5,lr=3e-7",),
    },
}
PAIRS: Mapping[str, Sequence[tuple[str, str]]] = {
    "bandit": [("BARL", "GRPO"), ("BARL", "BARL, dealt anew (control)")],
    "colouring": [("ZPG", "ZPG, signs drawn (control)")],
}
COLUMNS = {
    "bandit": ("reward", "correct", "coverage", "optimal", "greedy", "entropy"),
    "colouring": ("pass@1", "pass@8", "distinct@8", "correct", "entropy"),
}
STEPS = {"bandit": 20, "colouring": 32}


def work(world: str, arm: str, seed: int, flags: argparse.Namespace) -> dict[str, Any]:
    """One run: the means of its last ten steps, and what its model solves."""
    began, used = time.perf_counter(), time.process_time()
    settings: dict[str, Any] = {"seed": seed, "steps": flags.steps or STEPS[world], "matmul": "highest", "threads": 1}
    recipe = RECIPES[world](**settings, groups=4, method=list(ARMS[world][arm]))
    name = "".join(each if each.isalnum() else "-" for each in arm)
    path = trained(recipe, Path(flags.out) / "runs" / f"{world}-{name}-{seed}").path
    rows = RunDirectory.open(path).metrics()[-10:]
    values = {key: statistics.fmean(row[key] for row in rows if key in row) for key in rows[-1]}
    if world == "colouring":
        values |= exact_evaluation(path, split="test", threads=1).summary()
    seconds = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
    return {"arm": arm, "seed": seed, "steps": settings["steps"], "values": {**values, **seconds}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", choices=ARMS)
    parser.add_argument("--out", default="runs/related")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--arms", default="", help="names separated by semicolons; all unless given")
    parser.add_argument("--steps", type=int, default=0, help="20 for bandits and 32 for coloring unless given")
    flags = parser.parse_args()
    file = Path(flags.out) / f"{flags.world}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    names = flags.arms.split(";") if flags.arms else list(ARMS[flags.world])
    for seed in map(int, flags.seeds.split(",")):
        for arm in names:
            if any((row["arm"], row["seed"]) == (arm, seed) for row in rows):
                continue
            row = work(flags.world, arm, seed, flags)
            rows.append(row)
            with file.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            said = {name: round(row["values"][name], 3) for name in (*COLUMNS[flags.world], "seconds", "cpu")}
            print(arm, seed, said, flush=True)
    print(
        tables(
            rows, COLUMNS[flags.world], PAIRS[flags.world], arms=ARMS[flags.world], compared=COLUMNS[flags.world][:3]
        )
    )


if __name__ == "__main__":
    main()

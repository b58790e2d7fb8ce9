"""Two ways and locks: what loses the way that only test problems need, and what opens a lock. Exact numbers.

    python experiments/toy_worlds.py two_ways --out runs/two-ways --seeds 0,1,2
    python experiments/toy_worlds.py lock --out runs/lock --seeds 0,1,2 --tokens 200000

Trains each arm with each seed (a base model, training problems and a run of its own per seed), computes what it knows
from the probabilities of the right answers, and writes one line of JSON per run to OUT/rows.jsonl. Interrupted, the
same command goes on with the arms that are missing. Ends with the table of means over seeds.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from paired import mean
from runs import trained

from forage.evaluation.exact import ExactEvaluation
from forage.recipes import RECIPES
from forage.store.run_directory import RunDirectory
from forage.training.exact import exact_evaluation

ARMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "two_ways": {
        "Dr. GRPO": ("dr_grpo",),
        "IPS": ("dr_grpo", "mode_diversity:rule=ips"),
        "IPS, keys permuted (control)": ("dr_grpo", "mode_diversity_random:rule=ips"),
        "KL to base .1": ("dr_grpo", "kl_penalty:coefficient=0.1"),
        "entropy penalty .1": ("dr_grpo", "entropy_penalty:coefficient=0.1"),
        "KL to base .03": ("dr_grpo", "kl_penalty:coefficient=0.03"),
        "entropy penalty .03": ("dr_grpo", "entropy_penalty:coefficient=0.03"),
        "1/n after centering (control)": ("dr_grpo", "mode_diversity_after"),
        "GRPO": ("grpo",),
        "replay 5": ("dr_grpo", "mode_replay:coefficient=5"),
        "mode coverage": ("dr_grpo", "mode_coverage"),
        "mode coverage, ways dealt anew (control)": ("dr_grpo", "mode_coverage_random"),
        "mode coverage, reward not divided (control)": ("dr_grpo", "mode_coverage_undivided"),
        "mode coverage without exemplars (control)": ("dr_grpo", "mode_coverage_unreplayed"),
        "mode coverage without restarts (control)": ("dr_grpo", "mode_coverage_unrestarted"),
        "mode coverage by the task's modes": ("dr_grpo", "mode_coverage:ways=mode"),
    },
    "lock": {
        "GRPO": ("grpo",),
        "rrl, values known": ("grpo", "rrl_oracle:margin=0,steps=48"),
        "rrl, solutions": ("grpo", "rrl:margin=0.02,collect=0.2,steps=25,solutions=true"),
        "rrl": ("grpo", "rrl:margin=0.02,collect=0.2,steps=25"),
    },
}
COLUMNS: Mapping[str, Sequence[str]] = {
    "two_ways": ("train pass@1", "train way b", "test pass@1", "test pass@64"),
    "lock": ("train log10 P", "test log10 P", "test pass@1", "first success", "successes", "steps", "tokens"),
}


def known(found: ExactEvaluation, split: str) -> dict[str, float]:
    """What an evaluation says: its summary, the chance of each way, and the mean logarithm of being right."""
    values = found.summary()
    logs = [math.log10(max(each.correct, 1e-30)) for each in found.problems]
    values["log10 P"] = math.fsum(logs) / len(logs)
    for way in ("a", "b") if found.has_modes else ():
        values[f"way {way}"] = math.fsum((each.modes or {}).get(way, 0.0) for each in found.problems) / len(logs)
    return {f"{split} {name}": value for name, value in values.items()}


def work(world: str, arm: str, seed: int, flags: argparse.Namespace) -> dict[str, float]:
    """One run from its base to its numbers."""
    settings: dict[str, Any] = {"world_seed": seed, "seed": seed, "matmul": "highest", "threads": 1}
    given = {"steps": flags.steps, "lr": flags.lr, "tokens": flags.tokens, "length": flags.length}
    settings |= {name: value for name, value in given.items() if value is not None}
    recipe = RECIPES[world](**settings, method=list(ARMS[world].get(arm, ("grpo",))))
    checkpoint, values = recipe.model, {}
    if arm != "base":
        name = "".join(each if each.isalnum() else "-" for each in arm)
        checkpoint = str(trained(recipe, Path(flags.out) / "runs" / f"{name}-{seed}").path)
        rows = RunDirectory.open(Path(checkpoint)).metrics()
        right = [row["correct"] for row in rows]
        values["first success"] = float(next((n for n, share in enumerate(right, start=1) if share > 0), math.nan))
        values["successes"] = float(sum(share > 0 for share in right))
        values["steps"] = float(len(rows))
        values["tokens"] = float(rows[-1]["tokens"])
    for split in ("train", "test"):
        values |= known(exact_evaluation(checkpoint, task=recipe.task, split=split, threads=1), split)
    return values


def table(world: str, rows: Sequence[dict[str, Any]]) -> str:
    names = COLUMNS[world]
    lines = ["| arm | " + " | ".join(names) + " | seeds |", "|---" * (len(names) + 2) + "|"]
    for arm in ("base", *ARMS[world]):
        mine = [row["values"] for row in rows if row["arm"] == arm]
        cells = []
        for name in names:
            values = [each[name] for each in mine if not math.isnan(each.get(name, math.nan))]
            cells.append(mean(values))
        lines += [f"| {arm} | {' | '.join(cells)} | {len(mine)} |"] if mine else []
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", choices=tuple(ARMS))
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--arms", default="", help="names separated by semicolons; all unless given")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--tokens", type=int, help="end each run after so many sampled tokens")
    parser.add_argument("--length", type=int, help="dials of a lock")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    file = Path(flags.out) / "rows.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    names = flags.arms.split(";") if flags.arms else ["base", *ARMS[flags.world]]
    for seed in map(int, flags.seeds.split(",")):
        for arm in names:
            if any((row["arm"], row["seed"]) == (arm, seed) for row in rows):
                continue
            values = work(flags.world, arm, seed, flags)
            rows.append({"arm": arm, "seed": seed, "values": values})
            with file.open("a") as stream:
                stream.write(json.dumps(rows[-1]) + "\n")
            print(arm, seed, {name: round(values.get(name, math.nan), 4) for name in COLUMNS[flags.world]}, flush=True)
    print(table(flags.world, rows))


if __name__ == "__main__":
    main()

"""What a bench of two ways or locks knew on training problems too, and when a run first succeeded. Exact numbers.

    forage bench two_ways --arms-file experiments/coloring_arms.txt --exact --worlds --seeds 0,1,2 --out runs/two-ways
    python experiments/toy_worlds.py runs/two-ways --over dr_grpo
    python experiments/toy_worlds.py runs/lock --over grpo --pair "grpo+prefix_guided:source=reference;grpo"

Reads the runs of `forage bench --exact --worlds` in a folder, computes from the chances of the right answers what each
knew and what its base did, and prints means over seeds and paired differences with 95% t-intervals. What was computed
is kept in FOLDER/worlds.jsonl, so that the same command takes up new runs only.
"""

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from paired import differences, mean

from forage.bench.plan import arm_label
from forage.evaluation.exact import ExactEvaluation
from forage.store.run_directory import RunDirectory
from forage.training.exact import exact_evaluation
from forage.training.loop import open_recipe
from forage.training.recipe import Recipe

COLUMNS = (
    *("train pass@1", "train way b", "train log10 P", "test pass@1", "test pass@64", "test log10 P"),
    *("first success", "successes", "steps", "tokens"),
)


def known(found: ExactEvaluation, split: str) -> dict[str, float]:
    """What an evaluation says: its summary, the chance of each way, and the mean logarithm of being right."""
    values = found.summary()
    logs = [math.log10(max(each.correct, 1e-30)) for each in found.problems]
    values["log10 P"] = math.fsum(logs) / len(logs)
    for way in ("a", "b") if found.has_modes else ():
        values[f"way {way}"] = math.fsum((each.modes or {}).get(way, 0.0) for each in found.problems) / len(logs)
    return {f"{split} {name}": value for name, value in values.items()}


def chances(checkpoint: str, recipe: Recipe) -> dict[str, float]:
    values: dict[str, float] = {}
    for split in ("train", "test"):
        values |= known(exact_evaluation(checkpoint, task=recipe.task, split=split, engine=recipe.engine), split)
    return values


def course(run: Path) -> dict[str, float]:
    """After how many sampled tokens a run first succeeded (all of them where it never did), and how long it was."""
    rows = RunDirectory.open(run).metrics()
    right = [row for row in rows if row["correct"] > 0]
    return {
        "first success": float((right or rows[-1:])[0]["tokens"]),
        "successes": float(len(right)),
        "steps": float(len(rows)),
        "tokens": float(rows[-1]["tokens"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--over", required=True, help="the arm that is subtracted from the others")
    parser.add_argument("--pair", action="append", default=[], help="two arms, separated by a semicolon")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    file: Path = flags.folder / "worlds.jsonl"
    kept = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    numbers: dict[tuple[str, int], Mapping[str, float]] = {(row["arm"], row["seed"]): row["values"] for row in kept}

    def keep(arm: str, seed: int, values: Mapping[str, float]) -> None:
        numbers[arm, seed] = values
        with file.open("a") as stream:
            stream.write(json.dumps({"arm": arm, "seed": seed, "values": values}) + "\n")

    runs = sorted(path.parent.parent for path in flags.folder.glob("*/evals/exact.json"))
    if not runs:
        parser.error(f"{flags.folder} holds no run of `forage bench --exact`; train some first.")
    for run in runs:
        recipe = open_recipe(run)
        arm, seed = arm_label(recipe.methods).replace(" ", ""), recipe.seed
        if ("base", seed) not in numbers:
            keep("base", seed, chances(recipe.model, recipe))
        if (arm, seed) not in numbers:
            keep(arm, seed, chances(str(run), recipe) | course(run))
    arms = ["base", *sorted({arm for arm, _ in numbers} - {"base"})]
    names = [name for name in COLUMNS if any(name in row for row in numbers.values())]
    print("| arm | " + " | ".join(names) + " | seeds |", "|---" * (len(names) + 2) + "|", sep="\n")
    for arm in arms:
        mine = [row for (name, _), row in numbers.items() if name == arm]
        cells = [mean([row[name] for row in mine if name in row]) for name in names]
        print(f"| {arm} | {' | '.join(cells)} | {len(mine)} |")
    pairs = [(flags.over, "base"), *((arm, flags.over) for arm in arms if arm not in ("base", flags.over))]
    pairs += [tuple(pair.split(";")) for pair in flags.pair]
    print("", differences(numbers, pairs, names), sep="\n")


if __name__ == "__main__":
    main()

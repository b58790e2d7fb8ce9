"""A classifier as the reward, then supervised training on other graphs (the recipe of Soft RLLF, arXiv 2403.01185).

    python experiments/transfer.py --out runs/transfer --seeds 0,1,2,3,4

On graph colorings. A classifier learns from answers of the base model that the verifier has judged; a policy learns
from the classifier's probability alone, on the training graphs; then it and the base are trained on right answers to
graphs that nobody has seen. Exact numbers of the test graphs go to OUT/rows.jsonl, one line for each arm and seed;
interrupted, the same command goes on with what is missing. Ends with means and paired differences.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paired import tables
from runs import trained

from forage.core.seeds import derive_seed
from forage.engines.local.engine import LocalEngine
from forage.recipes import RECIPES
from forage.reward_models.preference import Ranking
from forage.reward_models.preference.checkpoints import train_checkpoint as train_classifier
from forage.reward_models.preference.train import RewardTraining
from forage.store.run_directory import RunDirectory
from forage.tasks.colouring import ColoringTask
from forage.tasks.colouring.graphs import graph_of
from forage.training.checkpoints import find_checkpoint
from forage.training.exact import exact_evaluation
from forage.training.examples import Example, Examples
from forage.training.supervised import SupervisedTraining, train_checkpoint

COLUMNS = ("pass@1", "pass@8", "pass@64", "distinct@8", "pcmd")
EXAMPLES = 64
"""Right answers of the second task, one to a graph."""

PAIRS = [
    ("classifier", "base"),
    ("classifier", "dealt anew (control)"),
    ("supervised", "base"),
    ("classifier, then supervised", "supervised"),
    ("classifier, then supervised", "dealt anew, then supervised (control)"),
    ("verifier, then supervised", "supervised"),
]


def recipe(seed: int, method: Sequence[str], **settings: Any) -> Any:
    return RECIPES["colouring"](
        method=list(method), seed=seed, world_seed=seed, matmul="highest", threads=1, **settings
    )


def classifier_of(out: Path, seed: int) -> Path:
    """What tells right answers from wrong ones, from what the base says of the training graphs."""
    place = out / f"classifier-{seed}"
    if not place.exists():
        sampled = recipe(seed, ["dr_grpo"], steps=96, rollouts_every=1, lr=1e-12)  # the base, as good as unmoved
        run = RunDirectory.open(trained(sampled, out / "runs" / f"sampled-{seed}").path)
        rows = [row for step in run.rollout_steps() for row in run.rollouts(step)]
        groups: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for row in rows:
            groups.setdefault((row["step"], row["group"]), []).append(row)
        rankings: dict[tuple[str, str, str], Ranking] = {}
        for members in groups.values():
            right = [row["text"] for row in members if row["correct"] == 1]
            wrong = [row["text"] for row in members if row["correct"] == 0]
            for pair in zip(right, wrong, strict=False):
                prompt = members[0]["prompt"]
                rankings.setdefault((prompt, *pair), Ranking(prompt=prompt, responses=pair))
        settings = RewardTraining(objective="classifier", epochs=12, lr=1e-3, seed=seed)
        begun = find_checkpoint(run.path).weights
        made = train_classifier(begun, rankings=list(rankings.values()), out=place, settings=settings, threads=1)
        print(f"seed {seed}: classifier {made.agreement}", flush=True)
    return place


def examples_of(seed: int) -> Examples:
    """One right answer to each of some graphs that are neither training nor test graphs of this seed."""
    own, task = ColoringTask(seed=seed), ColoringTask(seed=seed + 1000)
    trained_on = {problem.id for problem in own.problems("train")}
    others = [problem for problem in task.problems("train") if problem.id not in trained_on][:EXAMPLES]
    rng = random.Random(derive_seed(seed, "examples"))
    made: list[Example] = []
    for problem in others:
        right = graph_of(str(problem.prompt)).right
        made.append(Example(prompt=problem.prompt, response=task.written(rng.choice(right))[0], source=problem.id))
    return Examples(tuple(made))


def carried_over(model: Path, out: Path, seed: int) -> Path:
    if not out.exists():
        settings = SupervisedTraining(epochs=4, lr=3e-4, held_out=0.0, seed=seed)
        engine = LocalEngine(threads=1, matmul="highest")
        train_checkpoint(model, examples=examples_of(seed), out=out, settings=settings, engine=engine)
    return out


def work(seed: int, out: Path, steps: int, done: Mapping[str, Any], keep: Callable[[str, Path], None]) -> None:
    """All arms of a seed; `keep` takes an arm and its model as soon as it is there."""
    classifier = classifier_of(out, seed)
    base = Path(recipe(seed, ["dr_grpo"]).model)
    methods = {
        "classifier": ("dr_grpo", f"soft_rllf:model={classifier}"),
        "dealt anew (control)": ("dr_grpo", f"soft_rllf_shuffled:model={classifier}"),
        "verifier": ("dr_grpo",),
    }
    models = {"base": base}
    for arm, method in methods.items():
        name = arm.partition(" ")[0]
        models[arm] = trained(recipe(seed, method, steps=steps), out / "runs" / f"{name}-{seed}").path
    for arm, model in [*models.items()]:
        name = arm.partition(" ")[0]
        title = "supervised" if arm == "base" else arm.replace(" (control)", "") + ", then supervised"
        title += " (control)" if "control" in arm else ""
        models[title] = carried_over(model, out / "supervised" / f"{name}-{seed}", seed)
    for arm, model in models.items():
        if arm not in done:
            keep(arm, model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/transfer")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--steps", type=int, default=64)
    flags = parser.parse_args()
    out, file = Path(flags.out).resolve(), Path(flags.out).resolve() / "rows.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for seed in map(int, flags.seeds.split(",")):
        began = time.perf_counter()

        def keep(arm: str, model: Path, seed: int = seed) -> None:
            task = ColoringTask(seed=seed)
            values = exact_evaluation(model, task=task, split="test", max_tokens=4, threads=1).summary()
            rows.append({"arm": arm, "seed": seed, "values": values})
            with file.open("a") as stream:
                stream.write(json.dumps(rows[-1]) + "\n")
            print(seed, arm, {name: round(values[name], 3) for name in COLUMNS}, flush=True)

        work(seed, out, flags.steps, {row["arm"]: row for row in rows if row["seed"] == seed}, keep)
        print(f"seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)
    print("", tables(rows, COLUMNS, PAIRS), sep="\n")


if __name__ == "__main__":
    main()

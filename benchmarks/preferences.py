"""RL against reward models in the dialogue world, beside the hidden utility: `python benchmarks/preferences.py`.

Comparisons of the base model's responses train reward models (pairs, rankings of four, a placebo, four models for an
average of weights), and rewards on text vectors are fitted to them. Policies learn from each, with and without a KL
penalty, with several seeds. The table shows what the reward models said and what the listeners, whom no training asked,
thought. Finished parts are kept, so the command can be stopped and given again.
"""

import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tyro
from commands import forage, trained

from forage.base_models.dialogue import build_dialogue_base

KL = "kl_penalty:coefficient=0.2"
MEMBERS = "+".join(f"{{out}}/member{n}" for n in range(4))
ON_VECTORS = "preferences={out}/pairs.jsonl"
ARMS = {
    "hidden utility itself": (),
    "reward model, pairs": ("reward_model:model={out}/pairs",),
    "reward model, pairs, KL 0.05": ("reward_model:model={out}/pairs", "kl_penalty:coefficient=0.05"),
    "reward model, pairs, KL 0.2": ("reward_model:model={out}/pairs", KL),
    "reward model, rankings of 4, KL 0.2": ("reward_model:model={out}/rankings", KL),
    "average of 4 models' weights": ("reward_model:model={out}/warm",),
    "average of 4 models' weights, KL 0.2": ("reward_model:model={out}/warm", KL),
    "average of 4 models' rewards, KL 0.2": (f"reward_model:model={MEMBERS}", KL),
    "placebo: shuffled comparisons, KL 0.2": ("reward_model:model={out}/placebo", KL),
    "networks on text vectors": (f"embedding_reward:{ON_VECTORS}",),
    "networks on text vectors, KL 0.2": (f"embedding_reward:{ON_VECTORS}", KL),
    "placebo of networks on text vectors, KL 0.2": (f"embedding_reward_shuffled:{ON_VECTORS}", KL),
    "linear on text vectors, no pessimism": (f"pessimistic_reward:radius=0,{ON_VECTORS}",),
    "linear on text vectors, radius 0.1": (f"pessimistic_reward:{ON_VECTORS}",),
    "linear on text vectors, radius 1": (f"pessimistic_reward:radius=1,{ON_VECTORS}",),
    "linear on text vectors, no pessimism, KL 0.2": (f"pessimistic_reward:radius=0,{ON_VECTORS}", KL),
    "linear on text vectors, radius 0.1, KL 0.2": (f"pessimistic_reward:{ON_VECTORS}", KL),
    "placebo of linear on text vectors, KL 0.2": (f"pessimistic_reward_shuffled:{ON_VECTORS}", KL),
}


@dataclass
class Settings:
    """What is run."""

    out: Path = Path("runs/preferences")
    """Folder of all models and runs."""
    comparisons: int = 2000
    """Pairs; rankings of four are half as many, so that both show as many responses."""
    noise: float = 1.0
    """Of the listeners, in units of utility."""
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 60
    processes: int = 2
    arms: tuple[str, ...] = tuple(ARMS)
    """Names of the arms; reward models are trained only where one of them asks for some."""


def main(settings: Settings) -> None:
    settings.out.mkdir(parents=True, exist_ok=True)
    base = build_dialogue_base()
    prepare(settings, base)
    jobs = [(arm, seed) for seed in settings.seeds for arm in settings.arms]
    with ThreadPoolExecutor(settings.processes) as pool:
        rows = list(pool.map(lambda job: one(settings, *job), jobs))
    print("| policy learned from | utility | liked | reward model's reward | length |\n|---|---|---|---|---|")
    for arm in settings.arms:
        found = [row for row, (name, _) in zip(rows, jobs, strict=True) if name == arm]
        cells = [
            spread([row.get(key, float("nan")) for row in found]) for key in ("utility", "correct", "reward_model")
        ]
        print(f"| {arm} | {' | '.join(cells)} | {statistics.fmean(row['length'] for row in found):.0f} |")


def prepare(settings: Settings, base: Path) -> None:
    """Comparisons and reward models."""
    out, noise = settings.out, ("--noise", settings.noise, "--threads", 1)
    pairs, rankings, fresh = out / "pairs.jsonl", out / "rankings.jsonl", out / "fresh.jsonl"
    made = {
        pairs: ("collect", base, "--comparisons", settings.comparisons, *noise),
        rankings: ("collect", base, "--comparisons", settings.comparisons // 2, "--responses", 4, *noise),
        fresh: ("collect", base, "--comparisons", 500, "--seed", 1, *noise),
        out / "pairs": ("train", pairs, "--model", base),
        out / "rankings": ("train", rankings, "--model", base),
        out / "placebo": ("train", pairs, "--model", base, "--placebo"),
        **{out / f"member{n}": ("train", pairs, "--model", base, "--probe", 20, "--seed", n) for n in range(4)},
        out / "warm": ("average", *(out / f"member{n}" for n in range(4)), "--preferences", fresh),
    }
    models = any("reward_model:" in method for arm in settings.arms for method in ARMS[arm])
    for target, arguments in made.items():
        if not target.exists() and (models or target == pairs):
            said = forage("rm", *arguments, "--out", target)
            print("\n".join(line for line in said.splitlines() if ":" in line), file=sys.stderr, flush=True)


def one(settings: Settings, arm: str, seed: int) -> dict[str, float]:
    """Trains one arm with one seed; returns the means of its last ten steps' metrics."""
    run = settings.out / f"{arm.replace(' ', '-').replace(',', '').replace(':', '')}-seed{seed}"
    methods = ["grpo", *(method.format(out=settings.out) for method in ARMS[arm])]
    trained(run, "dialogue", "--steps", settings.steps, "--seed", seed, methods=methods)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][-10:]
    return {key: statistics.fmean(row[key] for row in rows) for key in rows[-1] if isinstance(rows[-1][key], float)}


def spread(values: list[float]) -> str:
    if any(value != value for value in values):
        return ""
    return f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


if __name__ == "__main__":
    main(tyro.cli(Settings))

"""A made-up lab for the report's tests: a base and runs with numbers like those of a real one, without training."""

import math
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from forage.analysis import FILE, Analysis, Grams, analyze
from forage.core.records import Problem, SamplingParams
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.grams.gram_list import GramCluster, GramList
from forage.store.run_directory import RunDirectory
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import puzzle_of
from forage.tasks.countdown.traces import Trace

TASK = Countdown(size="experiment")

LAB_GRAMS = GramList(
    clusters=tuple(GramCluster(grams=(word,)) for word in ("try", "let", "check", "wait", "back", "so"))
)

ENTROPY = {"wait": 1.0, "back": 1.0, "+": 0.95, "-": 0.95, "*": 0.9, "so": 0.6, "let": 0.45, "try": 0.4, "check": 0.2}
"""Typical entropies of words in nats; numbers have .3, the rest almost none."""


def chances(*, trained: float, lost: float, seed: int, problems: int = 96) -> np.ndarray:
    """Success probability per problem: a hard, skewed base; `trained` sharpens it and `lost` is the share given up."""
    base = np.random.default_rng(5).beta(0.85, 4.2, size=problems) + 0.004
    rng = np.random.default_rng(100 + seed)
    sharp = base ** (1 - 0.42 * trained) * np.exp(0.05 * rng.standard_normal(problems))
    gone = rng.random(problems) < lost * np.exp(-2 * base)
    return np.clip(np.where(gone, base * 0.01, sharp), 0, 0.97)


def evaluation(
    label: str, chance: np.ndarray, *, n: int = 256, temperature: float = 1.0, entropy: float, length: float,
    step: int | None = None, run_seed: int | None = None, unjudged: int = 0,
) -> Evaluation:  # fmt: skip
    rng = np.random.default_rng(int(chance.sum() * 1e6) % 2**31)
    correct = rng.binomial(n - unjudged, chance)
    outcomes = tuple(
        ProblemOutcome(
            problem=f"countdown:{index}",
            n=n,
            correct=int(right),
            unjudged=unjudged,
            truncated=int(rng.binomial(n, 0.04)),
            committed=min(n - unjudged, int(right) + int(rng.binomial(n - unjudged - int(right), 0.8))),
            length_sum=int(n * length),
            entropy_sum=n * length * entropy,
            answers={str(20 + index): int(right) or 1, "7": 3} if n - unjudged > right + 4 else {},
            right_answers={str(20 + index): int(right)} if right and n - unjudged > right + 4 else {},
        )
        for index, right in enumerate(correct)
    )
    return Evaluation(
        label=label, checkpoint="checkpoints/x", task={"part": "forage.tasks.countdown.Countdown"}, split="test",
        params=SamplingParams(temperature=temperature), n=n, seed=0, problems=outcomes, step=step, run_seed=run_seed,
    )  # fmt: skip


def write_base(path: Path, *, temperatures: Sequence[float] = (1.0, 0.7, 0.4)) -> Path:
    for temperature in temperatures:
        colder = {1.0: 0.0, 0.7: 0.55, 0.4: 0.95}[temperature]
        entropy = {1.0: 0.392, 0.7: 0.27, 0.4: 0.182}[temperature]
        made = evaluation(
            "base (experiment)", chances(trained=colder, lost=0.1 * colder, seed=90), temperature=temperature,
            entropy=entropy, length=47 + 10 * colder,
        )  # fmt: skip
        made.save(path / "evals" / f"test-T{temperature:g}-n256-seed0.json")
    return path


def recipe(methods: Sequence[str], seed: int, *, steps: int = 120, lr: float = 2e-4) -> dict[str, Any]:
    shapes = [
        {"part": "forage.parts.credit.shape.entropy_bonus.EntropyBonus", "alpha": 0.4, "kappa": 2.0, "at": "update"}
        for method in methods
        if method.startswith("entropy_advantage")
    ]
    return {
        "part": "forage.training.recipe.Recipe",
        "name": "countdown-experiment",
        "model": "bases/countdown-experiment",
        "task": {"part": "forage.tasks.countdown.Countdown", "size": "experiment"},
        "methods": list(methods),
        "seed": seed,
        "schedule": {"part": "forage.training.recipe.Schedule", "steps": steps, "checkpoint_every": 20},
        "credit": {"part": "forage.parts.credit.pipeline.Credit", "shapes": shapes},
        "optimization": {"part": "forage.engines.optimization.Optimization", "lr": lr, "mini_batches": 2},
    }


def metrics_row(step: int, steps: int, *, bonus: float, rng: random.Random) -> dict[str, float]:
    done = 1 - math.exp(-3 * step / steps)

    def noisy(value: float, spread: float) -> float:
        return max(value + rng.gauss(0, spread), 0.0)

    reward = min(noisy(0.16 + 0.36 * done, 0.045), 1.0)
    return {
        "step": step, "seconds": noisy(0.9, 0.05), "tokens": 256 * 50 * step, "reward": reward, "correct": reward,
        "commit": 0.9, "unjudged": 0.0, "truncated": noisy(0.02 + 0.05 * done, 0.008),
        "length": noisy(47 + 13 * done, 1.4), "entropy": noisy(0.392 - 0.17 * done + 0.03 * bonus, 0.008),
        "zero_variance": noisy(0.2 + 0.1 * done, 0.07),
        "bonus_share": noisy(0.21, 0.02) if bonus else 0.0, "advantage": rng.gauss(0, 0.02), "entropy_positive": 0.3,
        "entropy_negative": 0.4, "clip_share": noisy(0.003, 0.0008), "ratio_max": noisy(1.6, 0.1),
        "grad_norm": noisy(0.6 - 0.2 * done, 0.07), "kl": 0.0, "loss": rng.gauss(0, 0.01), "lr": 2e-4, "skipped": 0.0,
    }  # fmt: skip


@cache
def problems_by_name() -> dict[str, Problem]:
    return {puzzle_of(problem.prompt).name: problem for problem in TASK.problems("train")}


def rollout_rows(step: int, *, bonus: float, seed: int, groups: int = 6, group_size: int = 8) -> list[dict[str, Any]]:
    """Countdown traces as a base would write them, verified, with standardised advantages and the bonus if any."""
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    made: list[Trace] = list(Countdown(size="experiment", seed=seed + 1).traces(groups * group_size))
    for group, problem in enumerate(list(problems_by_name().values())[:groups]):
        members = made[group * group_size : (group + 1) * group_size]
        cuts = [len(trace.words) > 119 for trace in members]
        rewards = [float(index % 3 == 0 and not cuts[index]) if group else 0.0 for index in range(group_size)]
        mean = sum(rewards) / group_size
        spread = math.sqrt(sum((value - mean) ** 2 for value in rewards) / group_size)
        for sibling, (trace, reward) in enumerate(zip(members, rewards, strict=True)):
            words = trace.words[:119]
            entropies = [abs(ENTROPY.get(word, 0.3 if word.isdigit() else 0.03) + rng.gauss(0, 0.15)) for word in words]
            plain = (reward - mean) / spread if spread else 0.0
            pieces = [word if index == 0 else f" {word}" for index, word in enumerate(words)]
            rows.append({
                "step": step, "problem": problem.id, "prompt": problem.prompt, "group": group, "sibling": sibling,
                "prefix": [], "text": "".join(pieces[:-1]), "pieces": pieces, "tokens": list(range(len(words))),
                "given": [],
                "logprobs": [-0.8 * h for h in entropies], "entropies": entropies,
                "advantages": [plain + bonus * min(0.4 * h, abs(plain) / 2) for h in entropies],
                "values": [], "reward": reward, "correct": reward, "mode": None,
                "stop": "length" if cuts[sibling] else "eos",
            })  # fmt: skip
    return rows


def write_run(
    path: Path, methods: Sequence[str], seed: int, *, steps: int = 120, evaluated: Sequence[float] = (1.0,),
    lost: float = 0.3, trained: float = 1.0, lr: float = 2e-4, **changes: Any,
) -> Path:  # fmt: skip
    """A finished run with metrics, rollouts and evaluations."""
    run = RunDirectory.create(path, recipe(methods, seed, steps=steps, lr=lr) | changes)
    bonus = float(any(method.startswith("entropy_advantage") for method in methods))
    rng = random.Random(seed * 1000 + len(methods))
    with run.lock():
        for step in range(1, steps + 1):
            run.append_metrics(metrics_row(step, steps, bonus=bonus, rng=rng))
        run.write_rollouts(steps, rollout_rows(steps, bonus=bonus, seed=seed))
    label = " + ".join(methods)
    for temperature in evaluated:
        chance = chances(trained=trained + 0.3 * (1 - temperature), lost=lost, seed=seed)
        made = evaluation(
            label, chance, temperature=temperature, entropy=0.24 * temperature, length=59, step=steps, run_seed=seed
        )
        made.save(path / "evals" / f"test-step{steps:06d}-T{temperature:g}-n256-seed0.json")
    return path


def write_analysis(path: Path, *, steps: Sequence[int] = (), grams: GramList = LAB_GRAMS) -> Analysis:
    """Adds rollouts of more steps to a run, and its analysis."""
    run = RunDirectory.open(path)
    with run.lock():
        for step in steps:
            run.write_rollouts(step, rollout_rows(step, bonus=0.0, seed=step))
    found = analyze(run, grams=Grams(grams=grams, source="the lab's words"), draws=100)
    found.save(path / FILE)
    return found


def write_lab(folder: Path, *, seeds: int = 3, steps: int = 120) -> list[Path]:
    """A base at three temperatures, GRPO and the entropy advantage over several seeds, and one with a single seed."""
    directories = [write_base(folder / "base")]
    for seed in range(seeds):
        directories.append(write_run(folder / f"grpo-seed{seed}", ["grpo"], seed, steps=steps, evaluated=(1.0, 0.7)))
        methods = ["grpo", "entropy_advantage"]
        directories.append(write_run(folder / f"entropy-seed{seed}", methods, 20 + seed, steps=steps, trained=1.08))
    directories.append(write_run(folder / "passk-seed0", ["grpo", "passk:k=4"], 40, steps=steps, trained=0.8, lost=0.2))
    return directories

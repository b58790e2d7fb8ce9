"""Methods x seeds on the tiny lab, with placebos: `python benchmarks/experiment.py`.

Trains and evaluates every arm with every seed, a few runs at a time (one thread each: on small models two processes do
more than two threads), then prints levels, differences from GRPO with intervals, and writes a report. Finished parts
are kept, so the command can be stopped and given again.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from commands import forage, trained

from forage.recipes.base import build_base

ARMS = {
    "grpo": ("grpo",),
    "entropy_advantage": ("grpo", "entropy_advantage"),
    "shuffled_entropy": ("grpo", "shuffled_entropy"),
    "constant_bonus": ("grpo", "constant_bonus"),
}

HICRA_ARMS = {
    "grpo": ("grpo",),
    "hicra_std": ("grpo", "hicra:grams=GRAMS,scale=true"),
    "hicra_random_std": ("grpo", "hicra_random:grams=GRAMS,scale=true"),
    "hicra": ("grpo", "hicra:grams=GRAMS"),
}
"""What `--grams FILE` compares: planning credit on a mined list, and on random phrases of equal coverage."""


@dataclass
class Settings:
    """What is run."""

    out: Path = Path("runs/experiment")
    """Folder of all runs."""
    size: str = "experiment"
    """Size of the lab: demo or experiment."""
    arms: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(ARMS))
    """Name -> methods, in order."""
    grams: Path | None = None
    """A list of `forage grams mine`: compares HICRA and its placebo instead."""
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 120
    n: int = 256
    """Responses per test problem."""
    k: str = "1,4,16,64,256"
    processes: int = 2


def main(settings: Settings) -> None:
    if settings.grams:
        mined = str(settings.grams.resolve())
        settings.arms = {arm: tuple(m.replace("GRAMS", mined) for m in ms) for arm, ms in HICRA_ARMS.items()}
    base = build_base(size=settings.size)  # pyright: ignore[reportArgumentType]  (checked there)
    jobs = [(arm, seed) for seed in settings.seeds for arm in settings.arms]
    with ThreadPoolExecutor(settings.processes) as pool:
        based = pool.submit(
            forage, "eval", base, "--n", settings.n, "--k", settings.k, "--temperature", "1,0.7,0.4", "--threads", 1
        )
        runs = list(pool.map(lambda job: one(settings, base, *job), jobs))
        based.result()
    by_arm = {arm: [run for run, (name, _) in zip(runs, jobs, strict=True) if name == arm] for arm in settings.arms}
    first, *others = by_arm.values()
    forage("compare", base, *runs, "--k", settings.k, show=True)
    for other in others:
        forage("compare", *first, *other, "--k", settings.k, show=True)  # every seed, on both sides
    forage("report", base, *runs, "--out", settings.out / "report.html", show=True)


def one(settings: Settings, base: Path, arm: str, seed: int) -> Path:
    """Trains and evaluates one arm with one seed, or what is missing of it."""
    run = settings.out / f"{arm}-seed{seed}"
    steps = ("--steps", settings.steps, "--seed", seed, "--checkpoint-every", 40)
    trained(run, "countdown", "--size", settings.size, "--model", base, *steps, methods=settings.arms[arm])
    forage("eval", run, "--n", settings.n, "--k", settings.k)
    print(f"{arm} seed {seed}: done", file=sys.stderr, flush=True)
    return run


if __name__ == "__main__":
    main(tyro.cli(Settings))

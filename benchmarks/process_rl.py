"""Training a policy with a process model on the tiny lab: `python benchmarks/process_rl.py --out runs/process-rl`.

Labels solutions of the base model, trains a process model on them, and then trains the policy in several ways: by the
verifier, by the aggregated score, by its steps, and by rejection sampling. Every arm is evaluated by the verifier, the
yardstick; the process reward is only what some of them were told. Finished parts are kept, so the command can be
stopped and given again; every process has one thread.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from commands import forage, trained

from forage.analysis.measures.reward_hacking import hacking_alarm
from forage.base_models.countdown import build_base
from forage.store.run_directory import RunDirectory

ARMS = {
    "grpo": ("grpo",),
    "terminal": ("grpo", "process_reward:model=MODEL"),
    "dense": ("grpo", "process_advantage:model=MODEL,outcome=0,discount=1"),
    "dense_verified": ("grpo", "process_advantage:model=MODEL"),
    "raft_process": ("raft", "process_reward:model=MODEL"),
    "raft": ("raft",),
}
"""Name -> methods; MODEL stands for the folder of the process model."""


@dataclass
class Settings:
    """What is run."""

    out: Path = Path("runs/process-rl")
    """Folder of the labels, the process model and all runs."""
    size: str = "demo"
    """Size of the lab: demo or experiment."""
    arms: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(ARMS))
    """Name -> methods, in order."""
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 80
    problems: int = 128
    """Training problems whose solutions are labeled."""
    solutions: int = 4
    m: int = 16
    """Continuations of every prefix."""
    eta: float = 1.0
    n: int = 64
    """Responses per test problem."""
    k: str = "1,4,16,64"
    processes: int = 1


def main(settings: Settings) -> None:
    base = build_base(size=settings.size)  # pyright: ignore[reportArgumentType]  (checked there)
    model = process_model(settings, base)
    jobs = [(arm, seed) for seed in settings.seeds for arm in settings.arms]
    with ThreadPoolExecutor(settings.processes) as pool:
        runs = list(pool.map(lambda job: one(settings, base, model, *job), jobs))
    by_arm = {arm: [run for run, (name, _) in zip(runs, jobs, strict=True) if name == arm] for arm in settings.arms}
    forage("compare", *runs, "--k", settings.k, show=True)
    first, *others = by_arm.values()
    for other in others:
        forage("compare", *first, *other, "--k", settings.k, show=True)  # every seed, on both sides
    for run in runs:
        found = hacking_alarm(RunDirectory.open(run).metrics())
        print(f"{run.name}: {found.sentence() if found else 'no sign of reward hacking.'}")
    forage("report", *runs, "--out", settings.out / "report.html", show=True)


def process_model(settings: Settings, base: Path) -> Path:
    """The process model that the arms share, made of the base model and its own solutions."""
    labels, model = settings.out / "labels", settings.out / "model"
    amount = ("--problems", settings.problems, "--solutions", settings.solutions, "--continuations", settings.m)
    if not (labels / "labels.jsonl").exists():
        forage("prm", "label", base, "--out", labels, "--threads", 1, *amount)
    if not model.exists():
        where = ("--model", base, "--out", model, "--eta", settings.eta, "--threads", 1)
        forage("prm", "train", labels / "labels.jsonl", *where, show=True)
    return model.resolve()


def one(settings: Settings, base: Path, model: Path, arm: str, seed: int) -> Path:
    """Trains and evaluates one arm with one seed, or what is missing of it."""
    run = settings.out / f"{arm}-seed{seed}"
    methods = [name.replace("MODEL", str(model)) for name in settings.arms[arm]]
    steps = ("--steps", settings.steps, "--seed", seed)
    trained(run, "countdown", "--size", settings.size, "--model", base, *steps, methods=methods)
    forage("eval", run, "--n", settings.n, "--k", settings.k)
    print(f"{arm} seed {seed}: done", file=sys.stderr, flush=True)
    return run


if __name__ == "__main__":
    main(tyro.cli(Settings))

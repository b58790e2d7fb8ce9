"""Retrospective replay, its controls and what else starts from the middle: `python benchmarks/replay.py`.

Every arm trains until it has sampled `tokens` tokens, those that values took counted, with every seed. All are
evaluated on three sets of problems:

    test    all test problems
    hard    the quarter of the test problems that the base model solves least often (in `base_n` samples each; ties by
            name), so chosen before any arm is trained
    early   the training problems that the base model never solved in `early_n` samples each

One table has the levels with 95% intervals over problems and seeds, what was learned (pass@1 above the base) per
million sampled tokens and per minute of training, and the differences from the first arm, paired by problem. Finished
parts are kept, so the command can be stopped and given again. An arm whose methods this version does not have is left
out.
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import tyro
from commands import forage, trained

from forage.base_models.countdown import build_base
from forage.core.protocols import Task
from forage.core.records import Problem, SamplingParams
from forage.core.serialize import encode_part
from forage.evaluation.bootstrap import Interval
from forage.evaluation.collect import latest_evaluations
from forage.evaluation.compare import compare
from forage.evaluation.estimate import check_ks, pass_curve
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.fingerprint import fingerprint
from forage.evaluation.tables import interval_text
from forage.methods import METHODS
from forage.store.run_directory import RunDirectory
from forage.tasks.countdown import Countdown
from forage.training.checkpoints import find_checkpoint
from forage.training.evaluate import Subject, evaluate
from forage.training.recipe import Verifying
from forage.verification.judge import open_judge


@dataclass(frozen=True)
class Arm:
    """Methods in order, and about how many steps the default budget of tokens lasts: replay is scheduled by them."""

    methods: tuple[str, ...]
    steps: int


CHEAP = "traces=1,continuations=4,equal=state"
"""Values by continuations within the budget: as `rrl` is set they took seven tenths of what a step sampled."""

ARMS: Mapping[str, Arm] = {
    "grpo": Arm(("grpo",), 70),
    "ppo": Arm(("ppo",), 70),
    "vineppo": Arm(("vineppo:continuations=3,equal=state",), 13),
    "rrl": Arm(("grpo", "rrl:{cheap},steps={steps}"), 50),
    "rrl-critic": Arm(("ppo", "rrl:value=critic,steps={steps}"), 70),
    "rrl-random-cuts": Arm(("grpo", "rrl_random_cuts:{cheap},steps={steps}"), 50),
    "rrl-whole-prompts": Arm(("grpo", "rrl_whole_prompts:{cheap},steps={steps}"), 50),
    "rrl-success-prefixes": Arm(("grpo", "rrl_success_prefixes:{cheap},steps={steps}"), 50),
    "rrl-oracle": Arm(("grpo", "rrl_oracle:steps={steps}"), 70),
}


@dataclass
class Settings:
    """What is run."""

    out: Path = Path("runs/replay")
    """Folder of all runs."""
    size: str = "experiment"
    """Size of the lab: demo or experiment."""
    arms: tuple[str, ...] = tuple(ARMS)
    """Which arms; the others are compared with the first."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    tokens: int = 1_000_000
    """Budget of every run. The steps of the arms are in proportion to it."""
    n: int = 128
    """Responses per test problem."""
    base_n: int = 256
    """Responses of the base model per test problem."""
    early_n: int = 64
    """Responses per training problem: of the base to find those that are too hard for it, of a run on those alone."""
    k: tuple[int, ...] = (1, 16, 64)
    processes: int = 2
    base: Path | None = None
    """A base model; the cached one of this size unless given."""


@dataclass
class Results:
    """What one arm left: evaluations by set of problems, one per seed, and what its runs cost."""

    evaluations: dict[str, list[Evaluation]] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)


def main(settings: Settings) -> None:
    check_ks(min(settings.n, settings.base_n, settings.early_n), settings.k)
    base = settings.base or build_base(size=settings.size)  # pyright: ignore[reportArgumentType]  (checked there)
    task = Countdown(size=settings.size)  # pyright: ignore[reportArgumentType]
    arms = [name for name in settings.arms if available(ARMS[name])]
    if missing := sorted(set(settings.arms) - set(arms)):
        print(f"Left out, as this version has not their methods: {', '.join(missing)}", file=sys.stderr)
    forage("eval", base, "--n", settings.base_n, "--k", 1, "--threads", 1)
    everyone = list(task.problems("train"))
    tried = evaluated(base, task, "train", everyone, settings.early_n)
    early = [p for p, outcome in zip(everyone, tried.problems, strict=True) if not outcome.correct]
    ((of_base, *_),) = latest_evaluations([base]).values()
    ranked = sorted(of_base.problems, key=lambda outcome: (outcome.correct, outcome.problem))
    hard = {outcome.problem for outcome in ranked[: len(ranked) // 4]}

    def sets(test: Evaluation, train: Evaluation | None) -> dict[str, Evaluation]:
        return {"test": test, "hard": chosen(test, hard)} | ({"early": train} if train else {})

    jobs = [(arm, seed) for seed in settings.seeds for arm in arms]
    with ThreadPoolExecutor(settings.processes) as pool:
        runs = list(pool.map(lambda job: one(settings, base, *job), jobs))
    results = {arm: Results() for arm in arms}
    for (arm, _), run in zip(jobs, runs, strict=True):
        ((test, *_),) = latest_evaluations([run]).values()
        train = evaluated(run, task, "train", early, settings.early_n) if early else None
        for name, evaluation in sets(test, train).items():
            results[arm].evaluations.setdefault(name, []).append(evaluation)
        metrics = RunDirectory.open(run).metrics()
        results[arm].steps.append(len(metrics))
        results[arm].tokens.append(int(metrics[-1]["tokens"]))
        results[arm].minutes.append(sum(row["seconds"] for row in metrics) / 60)
    based = sets(of_base, chosen(tried, {p.id for p in early}) if early else None)
    text = report(based, results, settings)
    (settings.out / "replay.md").write_text(text)
    print(text)


def available(arm: Arm) -> bool:
    """Whether every method of the arm, and every setting it is given, exists."""
    for text in (method.format(cheap=CHEAP, steps=1) for method in arm.methods):
        name, _, settings = text.partition(":")
        given = {setting.partition("=")[0] for setting in settings.split(",") if setting}
        if name not in METHODS or given - set(METHODS[name].parameters):
            return False
    return True


def one(settings: Settings, base: Path, arm: str, seed: int) -> Path:
    """Trains and evaluates one arm with one seed, or what is missing of it."""
    run = settings.out / f"{arm}-seed{seed}"
    steps = max(1, round(ARMS[arm].steps * settings.tokens / Settings.tokens))
    methods = [name.format(cheap=CHEAP, steps=steps) for name in ARMS[arm].methods]
    budget = ("--tokens", settings.tokens, "--steps", 100_000, "--seed", seed)
    saved = ("--checkpoint-every", 20, "--rollouts-every", 20)
    trained(run, "countdown", "--size", settings.size, "--model", base, *budget, *saved, methods=methods)
    forage("eval", run, "--n", settings.n, "--k", ",".join(map(str, settings.k)), "--threads", 1)
    print(f"{arm} seed {seed}: done", file=sys.stderr, flush=True)
    return run


def evaluated(path: Path, task: Task, split: str, problems: Sequence[Problem], n: int) -> Evaluation:
    """A checkpoint on some problems only. Samples are cached beside it; no comparison takes this for a whole split."""
    found = find_checkpoint(path)
    opened = replace(found.engine, threads=1).open(str(found.weights))
    mark = fingerprint(found.weights)
    with open_judge(task, Verifying()) as judge:
        return evaluate(
            opened.sampler,
            opened.codec,
            judge,
            task,
            problems,
            subject=Subject(label=found.label, checkpoint=str(found.weights), fingerprint=mark, step=found.step),
            task_json=encode_part(task),
            split=split,
            n=n,
            params=SamplingParams(max_tokens=found.max_tokens or 120),
            seed=0,
            cache=found.home / "evals" / "samples",
        )


def chosen(evaluation: Evaluation, problems: set[str]) -> Evaluation:
    return replace(evaluation, problems=tuple(o for o in evaluation.problems if o.problem in problems))


def report(base: Mapping[str, Evaluation], results: Mapping[str, Results], settings: Settings) -> str:
    names = list(base)
    sizes = ", ".join(f"{name} {len(evaluation.problems)} problems" for name, evaluation in base.items())
    columns = [f"{name} p@{k}" for name in names for k in settings.k]
    head = ["arm", "runs", "steps", "tokens", "minutes", *columns, "p@1 per 10^6 tokens", "p@1 per minute"]
    lines = [f"Budget {settings.tokens:,} tokens a run; {sizes}.", "", row(head), row(["---"] * len(head))]
    levels = [cell for name in names for cell in level([base[name]], settings.k)]
    lines.append(row(["base", "1", "", "", "", *levels, "", ""]))
    (before,) = pass_curve([base["test"]], [1])
    for arm, found in results.items():
        (after,) = pass_curve(found.evaluations["test"], [1])
        gain, runs = after.estimate - before.estimate, len(found.steps)
        cost = [mean(found.steps, ".0f"), mean(found.tokens, ",.0f"), mean(found.minutes, ".1f")]
        levels = [cell for name in names for cell in level(found.evaluations[name], settings.k)]
        rates = [gain / (sum(found.tokens) / runs) * 1e6, gain / (sum(found.minutes) / runs)]
        lines.append(row([arm, str(runs), *cost, *levels, f"{rates[0]:+.3f}", f"{rates[1]:+.3f}"]))
    first, *others = results
    lines += ["", f"Differences from {first}, paired by problem:", "", row(["arm", *columns])]
    lines.append(row(["---"] * (1 + len(columns))))
    for arm in others:
        cells = [
            interval_text(difference, signed=True) + (" *" if difference.excludes_zero else "")
            for name in names
            for difference in compare(
                results[first].evaluations[name], results[arm].evaluations[name], ks=settings.k
            ).difference
        ]
        lines.append(row([arm, *cells]))
    lines += ["", f"\\* leaves out 0; of {len(others) * len(columns)} such intervals one in twenty does by chance.", ""]
    return "\n".join(lines)


def level(evaluations: Sequence[Evaluation], ks: Sequence[int]) -> list[str]:
    intervals: Sequence[Interval] = pass_curve(evaluations, ks)
    return [interval_text(interval) for interval in intervals]


def mean(values: Sequence[float], form: str) -> str:
    return f"{sum(values) / len(values):{form}}"


def row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(tyro.cli(Settings))

"""Process reward models on the tiny lab: eta x M x seeds, ranked on one pool: `python benchmarks/process_rewards.py`.

For every generator (the base model, and policies trained from it): labels solutions of training problems once with M
continuations a prefix; trains process models for every eta and every smaller M (drawn from the same counts), an outcome
model, PQM's ranking and the placebo; lets each choose among the cached samples of the generator's evaluation
(`forage eval` comes first); and writes tables.md, with intervals over problems and seeds of the process model. One
process, one thread. Finished parts are kept, so the command can be stopped and given again.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from process_reward_tables import NS, write_tables

from forage.base_models.countdown import build_base
from forage.core.atomic import write_file
from forage.core.protocols import Task
from forage.core.records import Problem
from forage.core.seeds import derive_seed
from forage.core.serialize import decode_part
from forage.engines.local.process_model import ProcessModel
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.names import evaluation_files
from forage.evaluation.samples import Sample
from forage.ops.best_of_n import best_of_n, vote_of_n
from forage.ops.step_scores import AGGREGATORS, aggregate
from forage.reward_models.prm.checkpoints import train_checkpoint
from forage.reward_models.prm.formats import read_labels
from forage.reward_models.prm.label import Labeling
from forage.reward_models.prm.labeling import label_checkpoint
from forage.reward_models.prm.rank import Candidate, score_samples
from forage.reward_models.prm.train import Objective, ProcessTraining
from forage.training.checkpoints import find_checkpoint
from forage.training.evaluate import iterate_samples

SOFT, HARD = 0.0, math.inf


@dataclass
class Settings:
    """What is run."""

    out: Path = Path("runs/process-rewards")
    """Folder of everything."""
    generators: dict[str, Path] = field(default_factory=dict)
    """Name -> a run or model with an evaluation at temperature 1; the base model unless given."""
    size: str = "experiment"
    """Size of the lab: demo or experiment."""
    problems: int = 96
    """Training problems that are labeled."""
    solutions: int = 8
    m: int = 16
    """Continuations of every prefix."""
    fewer: tuple[int, ...] = (2, 4, 8)
    """Smaller M, drawn from the same continuations."""
    etas: tuple[float, ...] = (SOFT, 1, 2, 5, HARD)
    seeds: tuple[int, ...] = (0, 1, 2)
    reference_problems: int = 24
    """Test problems with labels of `reference_m` continuations, which stand for the exact ones."""
    reference_m: int = 32
    samples: int = 256
    """Of every problem: the pool of the main arms (soft, eta 1, hard, outcome)."""
    few_samples: int = 64
    """The pool of all arms."""
    epochs: int = 4
    batch: int = 32
    lr: float = 1e-3


@dataclass(frozen=True)
class Arm:
    """One way to make a process model."""

    eta: float
    m: int
    objective: Objective = "steps"
    placebo: bool = False

    @property
    def name(self) -> str:
        kind = "placebo" if self.placebo else self.objective
        return f"{kind}-eta{self.eta:g}-m{self.m}"


@dataclass(frozen=True)
class Pool:
    """The samples that are chosen from."""

    task: Task
    problems: Sequence[Problem]
    samples: Sequence[Sample]


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    base = build_base(size=settings.size)  # pyright: ignore[reportArgumentType]  (checked there)
    generators = settings.generators or {"base": base}
    pools: dict[str, Pool] = {}
    every = list(jobs(settings, list(generators)))
    for number, (name, arm, seed, samples) in enumerate(every, 1):
        if name not in pools:
            label(settings, name, generators[name])
            pools[name] = open_pool(generators[name])
            if not (settings.out / name / "controls.json").exists():
                write_json(settings.out / name / "controls.json", controls(pools[name]))
        one(settings, name, generators[name], arm, seed, pools[name], samples)
        print(f"{number} of {len(every)}: {name} {arm.name} seed {seed}, {samples}", file=sys.stderr, flush=True)
        if seed == settings.seeds[-1]:
            text = write_tables(settings.out / name, full=settings.m, etas=settings.etas)
            write_file(settings.out / name / "tables.md", text.encode())
    for name in generators:
        print(f"# {name}\n\n{(settings.out / name / 'tables.md').read_text()}")


def jobs(settings: Settings, names: Sequence[str]) -> Iterator[tuple[str, Arm, int, int]]:
    """What is trained and ranked, the most telling first: an interrupted experiment then has its main table."""
    few, many = settings.few_samples, settings.samples
    core = [Arm(SOFT, settings.m), Arm(1, settings.m), Arm(HARD, settings.m)]
    core.append(Arm(SOFT, settings.m, objective="outcome"))
    every = list(arms(settings))
    stages = ((core, few, names), (every, few, names[:1]), (core, many, names), (every, few, names[1:]))
    for some, samples, generators in stages:
        for name in generators:
            for arm in (arm for arm in some if arm in every):
                yield from ((name, arm, seed, samples) for seed in settings.seeds)


def arms(settings: Settings) -> Iterator[Arm]:
    yield from (Arm(eta, settings.m) for eta in settings.etas)
    yield Arm(SOFT, settings.m, objective="outcome")
    yield Arm(HARD, settings.m, objective="ranking")
    yield Arm(1, settings.m, placebo=True)
    yield from (Arm(eta, m) for m in settings.fewer for eta in settings.etas)


def label(settings: Settings, name: str, generator: Path) -> None:
    """Labels of training problems to learn from, and of test problems to compare with."""
    task = find_checkpoint(generator).task or decode_part(dict(evaluation_of(generator)[1].task), Task)
    for folder, split, problems, m in (
        ("labels", "train", settings.problems, settings.m),
        ("reference", "test", settings.reference_problems, settings.reference_m),
    ):
        out = settings.out / name / folder
        if not (out / "labels.jsonl").exists():
            plan = Labeling(solutions=settings.solutions, continuations=m, seed=len(folder))
            made = label_checkpoint(
                generator, out=out, plan=plan, task=task, split=split, problems=problems, max_tokens=120, threads=1
            )
            print(f"{name} {folder}: {made}", file=sys.stderr, flush=True)


def evaluation_of(generator: Path) -> tuple[Path, Evaluation]:
    found = [(file, Evaluation.load(file)) for file in evaluation_files(generator)]
    found = [pair for pair in found if pair[1].split == "test" and pair[1].params.temperature == 1]
    if not found:
        raise SystemExit(f"{generator} has no evaluation at temperature 1: forage eval {generator} --n {NS[-1]}")
    return max(found, key=lambda pair: (pair[1].step or 0, pair[1].n))


def open_pool(generator: Path) -> Pool:
    file, evaluation = evaluation_of(generator)
    task = decode_part(dict(evaluation.task), Task)
    every = {problem.id: problem for problem in task.problems("test")}
    problems = [every[outcome.problem] for outcome in evaluation.problems]
    samples = iterate_samples(file.parent / "samples", problems, evaluation)
    return Pool(task, problems, list(samples))


def one(settings: Settings, name: str, generator: Path, arm: Arm, seed: int, pool: Pool, samples: int) -> None:
    """Trains one process model and lets it choose among `samples` of every problem, or what is missing of it."""
    folder = settings.out / name
    done, model = (
        folder / "ranked" / f"{arm.name}-seed{seed}-n{samples}.json",
        folder / "models" / f"{arm.name}-seed{seed}",
    )
    if done.exists():
        return
    if not model.exists():
        training = ProcessTraining(
            objective=arm.objective,
            placebo=arm.placebo,
            epochs=settings.epochs,
            batch=settings.batch,
            lr=settings.lr,
            seed=seed,
        )
        read = read_labels(folder / "labels" / "labels.jsonl", eta=arm.eta, m=arm.m, seed=seed)
        train_checkpoint(generator, solutions=read.solutions, out=model, settings=training, threads=1)
    process = ProcessModel.load(model)
    some = [each for each in pool.samples if each.sample < samples]
    candidates = score_samples(process, pool.task, pool.problems, some)
    ranked: dict[str, Any] = {"eta": str(arm.eta), "m": arm.m, "objective": arm.objective, "placebo": arm.placebo}
    ranked |= {"seed": seed, "n": samples, "values": choose(candidates), "spearman": agreement(process, folder)}
    write_json(done, ranked)


def choose(candidates: Mapping[str, Sequence[Candidate]]) -> dict[str, list[list[float]]]:
    """Rule -> (P, K): what the chosen one of n is worth, in expectation over subsets of the pool."""
    values: dict[str, list[list[float]]] = {}
    for problem, found in candidates.items():
        worth = np.array([float(each.right) for each in found])
        ns = [n for n in NS if n <= len(found)]
        for rule in AGGREGATORS:
            score = np.array([aggregate(each.steps, rule) for each in found])
            values.setdefault(rule, []).append(best_of_n(score, worth, ns).tolist())
            if rule == "min":
                values.setdefault("weighted vote", []).append(votes(found, score, worth, ns, problem))
    return values


def controls(pool: Pool) -> dict[str, Any]:
    """The same for what needs no process model."""
    values: dict[str, list[list[float]]] = {"majority vote": [], "oracle": [], "chance": []}
    for problem in pool.problems:
        found = [Candidate((), each.answer, each.correct) for each in pool.samples if each.problem == problem.id]
        worth = np.array([float(each.right) for each in found])
        ns = [n for n in NS if n <= len(found)]
        values["oracle"].append(best_of_n(worth, worth, ns).tolist())
        values["chance"].append([float(worth.mean())] * len(ns))
        values["majority vote"].append(votes(found, np.ones(len(found)), worth, ns, problem.id))
    return {"values": values}


def votes(
    found: Sequence[Candidate], weight: np.ndarray, worth: np.ndarray, ns: Sequence[int], problem: str
) -> list[float]:
    known = sorted({each.answer for each in found if each.answer is not None})
    answer = [known.index(each.answer) if each.answer is not None else -1 for each in found]
    return vote_of_n(answer, weight, worth, ns, seed=derive_seed(0, "votes", problem)).tolist()


def agreement(process: ProcessModel, folder: Path) -> float:
    """Rank correlation of the scores of all steps but the last with the success rates of the reference labels."""
    found = read_labels(folder / "reference" / "labels.jsonl", eta=SOFT).solutions
    scores = process.score([process.encode(each.prompt, each.steps) for each in found])
    said = [score for row in scores for score in row[:-1]]
    true = [value for each in found for value in each.values[:-1]]
    return float(np.corrcoef(mean_ranks(said), mean_ranks(true))[0, 1])


def mean_ranks(values: Sequence[float]) -> np.ndarray:
    """(N,) float64: ranks, with the mean rank for values that tie (Spearman's correlation is that of these)."""
    _, place, amount = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(amount) - (amount - 1) / 2)[place]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_file(path, json.dumps(content).encode())


if __name__ == "__main__":
    main(tyro.cli(Settings))

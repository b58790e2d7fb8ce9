"""Process models and checkpoints: which weights label, which are trained, and whose samples are ranked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from forage.atomic import new_directory, write_file
from forage.checkpoints import Checkpoint, find_checkpoint
from forage.engines.judge import open_judge
from forage.engines.local.engine import Opened
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.errors import ForageError
from forage.evals.evaluation import Evaluation
from forage.evals.fingerprint import fingerprint
from forage.evaluate import Subject, iterate_samples
from forage.ops.step_scores import Aggregator
from forage.part_json import decode_part, encode_part
from forage.prm.calibration import Calibration, calibrate
from forage.prm.formats import TaggedSolution
from forage.prm.labels import LabelledSolution
from forage.process.label import Generators, Labelling, label, to_jsonl
from forage.process.rank import Ranking, rank, score_samples
from forage.process.train import OnUpdate, ProcessOutcome, ProcessTraining, train_process_model
from forage.protocols import Judge, OnProgress, Task, Tools
from forage.recipe import Verifying
from forage.records import Problem, SamplingParams


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSummary:
    """What a labelling made: the file, and shares of its continuations."""

    file: Path
    solutions: int
    steps: int
    continuations: int
    right: float
    unanswered: float
    unjudged: float


def label_checkpoint(
    path: Path,
    *,
    out: Path,
    plan: Labelling,
    completer: Path | None = None,
    task: Task | None = None,
    split: str = "train",
    problems: int | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> LabelSummary:
    """Samples solutions from `path`, labels their steps with `completer` (itself unless given) and writes labels.jsonl.

    Finished shards below `out` are not sampled again, so an interrupted call continues where it stopped.
    """
    found = find_checkpoint(path)
    other = find_checkpoint(completer) if completer else None
    task = task or found.task
    if task is None:
        raise ForageError(f"{path} does not say which problems it is for: name them, as in --task countdown.")
    chosen = _problems(task, split, problems)
    params = SamplingParams(temperature=temperature, max_tokens=max_tokens or found.max_tokens or 120)
    identity = {
        "solver": fingerprint(found.weights),
        "completer": fingerprint((other or found).weights),
        "task": encode_part(task),
    }
    opened = _open(found, threads)
    with open_judge(task, found.recipe.verifying if found.recipe else Verifying()) as judge:
        solver = _tools(opened, judge)
        continuing = _tools(_open(other, threads), judge) if other else solver
        who = Generators(solver=solver, completer=continuing, task=task, params=params)
        labelled = list(label(who, chosen, plan, identity=identity, shards=out / "shards", on_progress=on_progress))
    file = out / "labels.jsonl"
    write_file(file, to_jsonl(labelled))
    return summarise(file, labelled)


def summarise(file: Path, labelled: Sequence[LabelledSolution]) -> LabelSummary:
    counts = [count for solution in labelled for count in solution.counts]
    total = sum(count.judged + count.unjudged for count in counts)

    def share(part: int) -> float:
        return part / total if total else math.nan

    return LabelSummary(
        file=file,
        solutions=len(labelled),
        steps=sum(len(solution.steps) for solution in labelled),
        continuations=total,
        right=share(sum(count.right for count in counts)),
        unanswered=share(sum(count.unanswered for count in counts)),
        unjudged=share(sum(count.unjudged for count in counts)),
    )


def train_checkpoint(
    path: Path,
    *,
    solutions: Sequence[TaggedSolution],
    out: Path,
    settings: ProcessTraining,
    device: str = "cpu",
    threads: int | None = None,
    on_update: OnUpdate | None = None,
) -> ProcessOutcome:
    """Trains a process model that begins as the checkpoint at `path`, and writes it to `out`, which must be new."""
    if out.exists():
        raise ForageError(f"{out} exists already. Name a folder that does not exist.")
    found = find_checkpoint(path)
    _set_threads(threads)
    process = ProcessModel.from_causal(LocalModel.load(found.weights, device=device))
    outcome = train_process_model(process, solutions, settings, on_update=on_update)
    process.about["began_as"] = found.label
    out.parent.mkdir(parents=True, exist_ok=True)
    with new_directory(out) as directory:
        process.save(directory)
    return outcome


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of every step of every solution, and how they compare with the labels (None without labels)."""

    scores: tuple[tuple[float, ...], ...]
    calibration: Calibration | None


def score_solutions(
    path: Path, solutions: Sequence[TaggedSolution], *, device: str = "cpu", threads: int | None = None
) -> Scored:
    """Scores the steps of `solutions` with the process model at `path`."""
    _set_threads(threads)
    process = ProcessModel.load(path, device=device)
    scores = process.score([process.lay(solution.prompt, solution.steps) for solution in solutions])
    pairs = [
        (score, value)
        for row, solution in zip(scores, solutions, strict=True)
        for score, value in zip(row, solution.values, strict=True)
        if not math.isnan(value)
    ]
    return Scored(tuple(scores), calibrate(*np.array(pairs).T) if pairs else None)


def rank_evaluation(
    process: Path,
    file: Path,
    *,
    ns: Sequence[int],
    how: Sequence[Aggregator],
    outcome: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    seed: int = 0,
) -> Ranking:
    """What the process model's choices are worth among the cached samples of a finished evaluation."""
    evaluation = Evaluation.load(file)
    if max(ns) > evaluation.n:
        raise ForageError(f"{file} has {evaluation.n} samples per problem, fewer than n = {max(ns)}.")
    _set_threads(threads)
    model = ProcessModel.load(process, device=device)
    task = decode_part(dict(evaluation.task), Task)
    every = {problem.id: problem for problem in task.problems("test" if evaluation.split == "test" else "train")}
    problems = [every[outcome.problem] for outcome in evaluation.problems]
    samples = iterate_samples(
        file.parent / "samples",
        problems,
        subject=Subject(label=evaluation.label, checkpoint=evaluation.checkpoint, fingerprint=evaluation.fingerprint),
        task_json=evaluation.task,
        n=evaluation.n,
        params=evaluation.params,
        seed=evaluation.seed,
    )
    whole = ProcessModel.load(outcome, device=device) if outcome else None
    return rank(score_samples(model, task, problems, samples, whole), ns, how, vote=how[0], seed=seed)


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)


def _problems(task: Task, split: str, amount: int | None) -> Sequence[Problem]:
    if split not in ("train", "test"):
        raise ForageError(f"The split is train or test, not {split!r}.")
    if amount is not None and amount < 1:
        raise ForageError(f"Labelling needs at least one problem, not {amount}.")
    return tuple(islice(task.problems(split), amount))


def _open(found: Checkpoint, threads: int | None) -> Opened:
    engine = found.engine if threads is None else replace(found.engine, threads=threads)
    return engine.open(str(found.weights))


def _tools(opened: Opened, judge: Judge) -> Tools:
    return Tools(opened.codec, opened.sampler, judge)

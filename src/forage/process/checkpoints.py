"""Labelling with checkpoints: which weights write, which continue, and where the labels go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from forage.checkpoints import Checkpoint, find_checkpoint
from forage.engines.judge import open_judge
from forage.engines.local.engine import Opened
from forage.errors import ForageError
from forage.evals.fingerprint import fingerprint
from forage.part_json import encode_part
from forage.prm.labels import LabelledSolution
from forage.process.label import Generators, Labelling, label, to_jsonl
from forage.protocols import Judge, OnProgress, Task, Tools
from forage.recipe import Verifying
from forage.records import Problem, SamplingParams
from forage.store.atomic import write_file


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

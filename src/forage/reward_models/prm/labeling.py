"""Labeling with checkpoints: whose weights write the solutions and continue them, and where the labels are kept."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.protocols import Judge, OnProgress, Task, Tools
from forage.core.records import SamplingParams
from forage.core.serialize import encode_part
from forage.core.turns import refuse_environment
from forage.engines.identity import as_begun, judged_by, sampled_by, work_below
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.out_of_memory import explain_out_of_memory
from forage.evaluation.fingerprint import fingerprint
from forage.reward_models.prm.external import label_external, resolve_solutions
from forage.reward_models.prm.formats import Rejected
from forage.reward_models.prm.label import Generators, Labeled, Labeling, label
from forage.reward_models.prm.labels import LabeledSolution
from forage.reward_models.prm.shards import Share, to_jsonl
from forage.reward_models.prm.solutions import read_solutions
from forage.training.checkpoints import find_checkpoint, open_checkpoint, split_problems
from forage.verification.judge import open_judge

OnEngine = Callable[[LocalEngine], LocalEngine]
"""Puts what is asked of the machine into the engine that a checkpoint brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSummary:
    """What a labeling made: the file (None while blocks of others are missing), and shares of its continuations."""

    file: Path | None
    solutions: int
    steps: int
    continuations: int
    right: float
    unanswered: float
    unjudged: float
    missing: int = 0
    rejected: tuple[Rejected, ...] = ()


def label_checkpoint(
    path: Path,
    *,
    out: Path,
    plan: Labeling,
    completer: Path | None = None,
    task: Task | None = None,
    split: str = "train",
    problems: int | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    threads: int | None = None,
    machine: OnEngine | None = None,
    share: Share | None = None,
    on_progress: OnProgress | None = None,
) -> LabelSummary:
    """Samples solutions from `path`, labels their steps with `completer` (itself unless given) and writes labels.jsonl.

    Finished blocks below `out` are not sampled again, so an interrupted call continues where it stopped. With `share`
    the labels are written by whichever process finds all blocks finished. `machine` is asked about the engine of both.
    """
    on = _on(machine, threads)
    shards = out / "shards"
    with _generators(path, completer or path, task, temperature, max_tokens, on, shards) as (generators, identity, _):
        chosen = split_problems(generators.task, split, problems)
        made = label(generators, chosen, plan, identity=identity, shards=shards, share=share, on_progress=on_progress)
    return _write(out, made, ())


def label_file(
    file: Path,
    *,
    policy: Path,
    out: Path,
    plan: Labeling,
    task: Task | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    threads: int | None = None,
    machine: OnEngine | None = None,
    share: Share | None = None,
    on_progress: OnProgress | None = None,
) -> LabelSummary:
    """Labels the solutions in `file` (`forage.reward_models.prm.solutions`) with continuations of `policy`; as
    `label_checkpoint`.

    Raises ForageError where none of them can be labeled.
    """
    external, unreadable = read_solutions(file)
    on, shards = _on(machine, threads), out / "shards"
    with _generators(policy, policy, task, temperature, max_tokens, on, shards) as (generators, identity, opened):
        resolved, unresolved = resolve_solutions(
            external,
            generators.task,
            generators.completer,
            opened.codec.encode,
            max_tokens=generators.params.max_tokens,
        )
        rejected = (*unreadable, *unresolved)
        if not resolved:
            raise ForageError(
                f"{file} holds no solution that can be labeled" + (f"; the first: {rejected[0]}." if rejected else ".")
            )
        made = label_external(
            generators, resolved, plan, identity=identity, shards=shards, share=share, on_progress=on_progress
        )
    return _write(out, made, rejected)


def summarize(file: Path | None, labeled: Sequence[LabeledSolution]) -> LabelSummary:
    counts = [count for solution in labeled for count in solution.counts]
    total = sum(count.judged + count.unjudged for count in counts)

    def share(part: int) -> float:
        return part / total if total else math.nan

    return LabelSummary(
        file=file,
        solutions=len(labeled),
        steps=sum(len(solution.steps) for solution in labeled),
        continuations=total,
        right=share(sum(count.right for count in counts)),
        unanswered=share(sum(count.unanswered for count in counts)),
        unjudged=share(sum(count.unjudged for count in counts)),
    )


def _write(out: Path, made: Labeled, rejected: tuple[Rejected, ...]) -> LabelSummary:
    file = None if made.missing else out / "labels.jsonl"
    if file is not None:
        write_file(file, to_jsonl(made.solutions))
    return replace(summarize(file, made.solutions), missing=made.missing, rejected=rejected)


@contextmanager
def _generators(
    solver: Path,
    completer: Path,
    task: Task | None,
    temperature: float,
    max_tokens: int | None,
    on: OnEngine,
    shards: Path,
) -> Iterator[tuple[Generators, dict[str, Any], Opened]]:
    """Both models with a verifier, what keys their work, and the completer. Equal paths are loaded once."""
    opening = open_checkpoint(solver, task=task, max_tokens=max_tokens)
    first, task, verifying = opening.checkpoint, opening.task, opening.checkpoint.verifying
    refuse_environment(task, "Labeling steps")
    other = first if completer == solver else find_checkpoint(completer)
    params = SamplingParams(temperature=temperature, max_tokens=opening.max_tokens)
    whose = {"solver": fingerprint(first.weights), "completer": fingerprint(other.weights)}
    engines = _engines(on(first.engine), on(other.engine), whose, shards)
    identity = {
        **whose,
        "solved_by": sampled_by(engines[0]),
        "completed_by": sampled_by(engines[1]),
        "task": encode_part(task),
        "judged_by": judged_by(task, verifying),
    }
    opened = engines[0].open(str(first.weights))
    continuing = opened if other is first else engines[1].open(str(other.weights))
    with open_judge(task, verifying) as judge, explain_out_of_memory("Sample fewer responses at once: lower `rows`."):
        tools = _tools(opened, judge)
        generators = Generators(
            solver=tools,
            completer=tools if continuing is opened else _tools(continuing, judge),
            task=task,
            params=params,
        )
        yield generators, identity, continuing


def _engines(
    solver: LocalEngine, completer: LocalEngine, whose: Mapping[str, str], shards: Path
) -> tuple[LocalEngine, LocalEngine]:
    """Both settled as in the blocks of these weights. A process has one matrix product: the second's."""
    begun = [about for about in work_below(shards) if all(about.get(name) == value for name, value in whose.items())]
    second = as_begun(completer, [about.get("completed_by") for about in begun]).settled()
    return replace(solver, matmul=second.matmul).settled(), second


def _on(machine: OnEngine | None, threads: int | None) -> OnEngine:
    def settled(engine: LocalEngine) -> LocalEngine:
        engine = machine(engine) if machine else engine
        return engine if threads is None else replace(engine, threads=threads)

    return settled


def _tools(opened: Opened, judge: Judge) -> Tools:
    return Tools(opened.codec, opened.sampler, judge)

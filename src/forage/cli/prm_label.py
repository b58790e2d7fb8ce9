"""`forage prm label`: step labels for solutions that a model writes, or that lie in a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from forage.cli.problem_flags import EngineFlags
from forage.cli.progress import message_on_interrupt, progress_bar
from forage.core.errors import ForageError
from forage.reward_models.prm.formats import Rejected
from forage.reward_models.prm.label import REPROMPT, Labeling
from forage.reward_models.prm.labeling import LabelSummary, label_checkpoint, label_file
from forage.reward_models.prm.shards import Share
from forage.tasks.names import parse_task

SHOWN = 5
"""Rejected rows that are printed; the rest is counted."""


def label_command(
    solutions_of: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    policy: Path | None = None,
    task: str | None = None,
    split: str = "train",
    problems: int | None = None,
    solutions: int = 4,
    continuations: int = 16,
    reprompt: str | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    machine: tyro.conf.OmitArgPrefixes[EngineFlags] = EngineFlags(),  # noqa: B008  (frozen)
    shard: str = "1/1",
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """Continues solutions many times from the end of every step; writes OUT/labels.jsonl.

    Counts are kept, not labels, so eta is chosen later. Interrupted, the same command continues.

    Args:
        solutions_of: who writes the solutions: a run directory, a checkpoint, a model folder; or a file of them (JSON
            lines of prompt and steps or solution; ER-PRM, OpenRLHF, Math-Shepherd, TRL).
        out: the folder for the labels.
        policy: who continues them (the reference policy); the model that wrote them unless given.
        task: which problems, where the checkpoint does not say: countdown, or countdown:size=experiment.
        split: train or test.
        problems: how many, from the beginning of the split; all unless given.
        solutions: solutions per problem.
        continuations: responses that are sampled after every step.
        reprompt: asks for the rest in a new prompt instead of continuing: default, or a text with {prompt} and {steps}.
        temperature: sampling temperature of solutions and continuations.
        max_tokens: the most tokens of a whole response; the run's own unless given.
        machine: where both models compute.
        shard: i/n does every n-th block, as one of n processes with the same --out; the last one writes the labels.
        seed: random seed of solutions and continuations.
        threads: CPU threads for matrix products; 0: all cores. The run's own unless given.
    """
    share = Share.parse(shard)
    template = REPROMPT if reprompt == "default" else reprompt
    plan = Labeling(solutions=solutions, continuations=continuations, seed=seed, reprompt=template)
    chosen = parse_task(task) if task else None
    kept = message_on_interrupt("Interrupted; every finished block is saved: the same command goes on from here.")
    with kept, progress_bar(f"label {solutions_of.name}", Console(stderr=True)) as move:
        if solutions_of.is_file():
            if policy is None:
                raise ForageError(f"Who continues the solutions in {solutions_of}? Name a model with --policy.")
            made = label_file(
                solutions_of,
                policy=policy,
                out=out,
                plan=plan,
                task=chosen,
                temperature=temperature,
                max_tokens=max_tokens,
                threads=threads,
                machine=machine.engine,
                share=share,
                on_progress=move,
            )
        else:
            made = label_checkpoint(
                solutions_of,
                out=out,
                plan=plan,
                completer=policy,
                task=chosen,
                split=split,
                problems=problems,
                temperature=temperature,
                max_tokens=max_tokens,
                threads=threads,
                machine=machine.engine,
                share=share,
                on_progress=move,
            )
    _tell(made)


def _tell(made: LabelSummary) -> None:
    say_rejected(made.rejected)
    say(
        f"{made.solutions} solutions with {made.steps} steps, {made.continuations} continuations: {made.right:.1%} "
        f"right, {made.unanswered:.1%} without an answer, {made.unjudged:.1%} not judged."
    )
    if made.file:
        say(f"Saved: {made.file}")
    else:
        say(f"{made.missing} blocks of other shards are missing: run those, or this command without --shard.")


def say_rejected(rejected: Sequence[Rejected]) -> None:
    for each in rejected[:SHOWN]:
        say(f"Rejected: {each}.")
    if len(rejected) > SHOWN:
        say(f"{len(rejected)} rows were rejected in all.")


def say(sentence: str) -> None:
    Console(stderr=True).print(sentence, highlight=False, markup=False, soft_wrap=True)

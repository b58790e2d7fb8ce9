"""`forage prm label`: step labels for solutions that a model writes, or that lie in a file."""

from pathlib import Path

from forage.cli.problem_flags import EngineFlags
from forage.cli.progress import message_on_interrupt, progress_bar, say, say_rejected
from forage.core.errors import ForageError
from forage.reward_models.prm.label import REPROMPT, Labeling
from forage.reward_models.prm.labeling import LabelSummary, label_checkpoint, label_file
from forage.reward_models.prm.shards import Share
from forage.tasks.names import parse_task


def label_command(
    solutions_of: Path,
    /,
    *,
    out: Path,
    policy: Path | None = None,
    task: str | None = None,
    solutions: int = 4,
    continuations: int = 16,
    split: str = "train",
    problems: int | None = None,
    reprompt: str | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    machine: EngineFlags = EngineFlags(),  # noqa: B008  (frozen)
    shard: str = "1/1",
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """Continues solutions many times from the end of every step; writes OUT/labels.jsonl.

    Counts are kept, not labels, so eta is chosen later. Interrupted, the same command continues.

    Example: forage prm label runs/first --out labels --solutions 4 --continuations 8

    Args:
        solutions_of: Who writes the solutions: a run directory, a checkpoint, a model folder; or a file of them (JSON
            lines of prompt and steps or solution; ER-PRM, OpenRLHF, Math-Shepherd, TRL).
        out: Where the result is written. A folder for the labels.
        policy: The model that continues solutions (the reference policy). The one that wrote them unless given.
        task: Which task, where the checkpoint does not say. countdown, or countdown:size=experiment.
        solutions: Solutions per problem.
        continuations: Continuations after every step.
        split: Which problems: train or test.
        problems: How many problems. The first of the split; all unless given.
        reprompt: Ask for the rest in a new prompt instead of continuing. default, or a text with {prompt} and {steps}.
        temperature: Sampling temperature. Solutions and continuations share it.
        max_tokens: The most tokens of a response. The run's own unless given.
        machine: Where both models compute.
        shard: Do every n-th block only, as i/n. For n processes with the same --out; the last one writes the labels.
        seed: Random seed. It decides the solutions and continuations.
        threads: CPU threads for matrix products. 0: all cores. The run's own unless given.
    """
    share = Share.parse(shard)
    template = REPROMPT if reprompt == "default" else reprompt
    plan = Labeling(solutions=solutions, continuations=continuations, seed=seed, reprompt=template)
    chosen = parse_task(task) if task else None
    kept = message_on_interrupt("Interrupted; every finished block is saved: the same command goes on from here.")
    with kept, progress_bar(f"label {solutions_of.name}") as move:
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
    _say_summary(made)


def _say_summary(made: LabelSummary) -> None:
    say_rejected(made.rejected)
    say(
        f"{made.solutions} solutions with {made.steps} steps, {made.continuations} continuations: {made.right:.1%} "
        f"right, {made.unanswered:.1%} without an answer, {made.unjudged:.1%} not judged."
    )
    if made.file:
        say(f"Saved: {made.file}")
    else:
        say(f"{made.missing} blocks of other shards are missing: run those, or this command without --shard.")

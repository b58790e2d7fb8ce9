"""`forage prm label|convert`: process reward models, from labels to use."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from forage.cli.progress import progress_bar
from forage.errors import ForageError
from forage.prm.formats import Format, Labels, read_labels, write_labels
from forage.process.checkpoints import label_checkpoint
from forage.process.label import Labelling
from forage.store.atomic import write_file
from forage.tasks.names import parse_task

SHOWN = 5
"""Rejected rows that are printed; the rest is counted."""


def label_command(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    completer: Path | None = None,
    task: str | None = None,
    split: str = "train",
    problems: int | None = None,
    solutions: int = 4,
    m: int = 16,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """Samples solutions and continues each of them m times from the end of every step; writes OUT/labels.jsonl.

    Counts are kept, not labels, so eta is chosen later. Interrupted, the same command continues.

    Args:
        checkpoint: who writes the solutions: a run directory, a checkpoint, or a model folder.
        out: the folder for the labels.
        completer: who continues them (the reference policy); the same model unless given.
        task: which problems, where the checkpoint does not say: countdown, or countdown:size=experiment.
        split: train or test.
        problems: how many, from the beginning of the split; all unless given.
        solutions: per problem.
        m: continuations of every prefix.
        temperature: of both.
        max_tokens: of a whole response; the run's own unless given.
        seed: of both.
        threads: of the matrix products.
    """
    console = Console(stderr=True)
    with progress_bar(f"label {checkpoint.name}", console) as move:
        made = label_checkpoint(
            checkpoint,
            out=out,
            plan=Labelling(solutions=solutions, continuations=m, seed=seed),
            completer=completer,
            task=parse_task(task) if task else None,
            split=split,
            problems=problems,
            temperature=temperature,
            max_tokens=max_tokens,
            threads=threads,
            on_progress=move,
        )
    say(
        f"{made.solutions} solutions with {made.steps} steps, {made.continuations} continuations: {made.right:.1%} "
        f"right, {made.unanswered:.1%} without an answer, {made.unjudged:.1%} not judged.\nSaved: {made.file}"
    )


def convert_command(
    labels: Annotated[Path, tyro.conf.Positional], /, *, to: Format, out: Path, eta: float = 1.0
) -> None:
    """Writes step labels for other programs: ER-PRM, OpenRLHF, Math-Shepherd or TRL.

    Args:
        labels: labels.jsonl, or a file in any of these formats.
        to: the format; math-shepherd and trl say yes or no only, so values are rounded.
        out: the file to write.
        eta: turns counts into values: 0 is the share that is right, inf whether any is.
    """
    found = read(labels, eta)
    whole = [row for row in found.solutions if all(value == value for value in row.values)]
    text, rounded = write_labels(whole, to)
    write_file(out, text.encode())
    say(f"{len(whole)} solutions, {rounded} values rounded. Saved: {out}")
    if len(whole) < len(found.solutions):
        say(f"{len(found.solutions) - len(whole)} solutions with steps that could not be judged were left out.")


def read(path: Path, eta: float) -> Labels:
    """The labels of a file; says which rows were rejected. Raises ForageError where none is left."""
    found = read_labels(path, eta=eta)
    for rejected in found.rejected[:SHOWN]:
        say(f"Rejected: {rejected}.")
    if len(found.rejected) > SHOWN:
        say(f"{len(found.rejected)} rows were rejected in all.")
    if not found.solutions:
        raise ForageError(f"{path} holds no labelled solution that can be used.")
    return found


def say(sentence: str) -> None:
    Console(stderr=True).print(sentence, highlight=False, markup=False, soft_wrap=True)


SUBCOMMANDS: Mapping[str, Callable[..., None]] = {"label": label_command, "convert": convert_command}


def run(argv: Sequence[str]) -> int:
    names = "|".join(SUBCOMMANDS)
    message = f"usage: forage prm {names} ...; --help after each of them tells more."
    if argv and argv[0] in SUBCOMMANDS:
        tyro.cli(SUBCOMMANDS[argv[0]], prog=f"forage prm {argv[0]}", args=list(argv[1:]))
        return 0
    if argv and argv[0] in ("-h", "--help"):
        print(message)
        return 0
    raise ForageError(f"Which part of the work? {message}")

"""`forage train RECIPE`: the recipe's parameters are its flags."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console

from forage.cli.flags import Flag
from forage.cli.progress import message_on_interrupt, progress_bar, say_notes, training_note
from forage.cli.recipe_flags import Out, named_recipe, read_flags, recipe_flags, refuse_table
from forage.core.interrupts import Interrupted
from forage.training.tracking import TrackerName, tracking

if TYPE_CHECKING:  # loading torch takes seconds: what is refused before that should not take them
    from forage.recipes.compose import RecipeFunction
    from forage.training.loop import OnStep, Outcome
    from forage.training.recipe import Recipe

Parallel = Literal["data", "fsdp"]
Trackers = Annotated[tuple[TrackerName, ...], tyro.conf.UseAppendAction]

FLAGS: Mapping[str, tuple[Any, Any]] = {
    "out": (Out, None),
    "parallel": (Parallel, "data"),
    "track": (Trackers, ()),
    "dry_run": (bool, False),
    "quiet": (bool, False),
}
HELP = """    out: Where the result is written. A run directory to create; `runs/...` unless given.
    parallel: Where the weights lie under torchrun: whole in each process (data) or in shards (fsdp).
    track: Write metrics for tensorboard or wandb too, beside metrics.jsonl. May be given several times.
    dry_run: Train nothing. What the problems, their prompts and the memory are like is said, and one response judged.
    quiet: Say nothing unless something is wrong.
"""
FIRST = ("method", "steps", "seed", "out", "model")
"""The flags that matter most."""


def flags_of_recipe(build: "RecipeFunction[...]") -> list[Flag]:
    """All flags of `forage train` with this recipe."""
    return recipe_flags(build, FLAGS, HELP, first=FIRST)


def run(argv: Sequence[str]) -> int:
    name = named_recipe("train", argv)
    if name is None:
        return 0
    if name == "table" and "RANK" not in os.environ:
        refuse_table(argv[1:])
    from forage.core.serialize import decode_part, encode_part
    from forage.engines.distributed.torchrun import open_group
    from forage.recipes import RECIPES
    from forage.training.loop import default_directory, train
    from forage.training.recipe import Recipe

    def read() -> list[Any]:
        settings, more = read_flags(
            RECIPES[name], flags_of_recipe(RECIPES[name]), FLAGS, command="train", argv=argv[1:]
        )
        recipe = RECIPES[name](**settings)
        recipe = replace(recipe, engine=replace(recipe.engine, parallel=more["parallel"]))
        if not more["quiet"]:
            say_notes(recipe.task)
        out = str(more["out"] or default_directory(recipe))
        return [encode_part(recipe), out, more["track"], more["dry_run"], more["quiet"]]

    with open_group() as ranks:
        encoded, out, track, dry, quiet = ranks.only_first(
            read
        )  # the first builds what a recipe needs; the others get it
        recipe = decode_part(encoded, Recipe)
        if dry:
            return _tried(recipe) if ranks.first else 0
        begun = partial(train, recipe, out=out, ranks=ranks)
        with tracking(track if ranks.first else (), out) as note:
            return follow(recipe.label, lambda show: begun(on_step=show), recipe, Path(out), note, quiet=quiet)


def follow(
    label: str,
    start: "Callable[[OnStep], Outcome]",
    recipe: "Recipe",
    out: Path,
    note: "OnStep",
    *,
    quiet: bool = False,
) -> int:
    """Shows the progress of the run in `out`, unless it is to be `quiet`. `note` is called with each row.

    Raises Interrupted, which says how to go on, where Ctrl-C ended it.
    """
    console, total = Console(stderr=True, quiet=quiet), recipe.schedule.steps

    def show(metrics: Mapping[str, float]) -> None:
        move(int(metrics["step"]), total, training_note(metrics))
        note(metrics)

    opening = f"Interrupted while the run was opened, which changes nothing. Begin or go on with: forage resume {out}"
    with message_on_interrupt(opening), progress_bar(label, console) as move:
        outcome = start(show)
    if not outcome.finished:
        where = f"Interrupted after step {outcome.step} of {total}; all is saved."
        raise Interrupted(f"{where} Go on with: forage resume {outcome.path}")
    limit = recipe.schedule.tokens
    why = f" (all that {limit:,} tokens allow)" if limit and outcome.step < total else ""
    console.print(f"Trained {outcome.step} steps{why}: {outcome.path}", highlight=False, soft_wrap=True)
    console.print(f"Next: forage eval {outcome.path}", highlight=False, soft_wrap=True)
    return 0


def _tried(recipe: "Recipe") -> int:
    from forage.cli.dry_run import dry_run

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for sentence in dry_run(recipe):
        console.print(sentence)
    return 0

"""`forage train RECIPE`: the recipe's parameters are its flags."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from forage.cli.progress import progress_bar, say_notes, training_note
from forage.cli.recipe_flags import Out, named_recipe, read_flags
from forage.core.serialize import decode_part, encode_part
from forage.engines.distributed.torchrun import open_group
from forage.recipes import RECIPES
from forage.training.loop import OnStep, Outcome, default_directory, train
from forage.training.recipe import Recipe
from forage.training.tracking import TrackerName, tracking

Parallel = Literal["data", "fsdp"]
Trackers = Annotated[tuple[TrackerName, ...], tyro.conf.UseAppendAction]

FLAGS: Mapping[str, tuple[Any, Any]] = {"out": (Out, None), "parallel": (Parallel, "data"), "track": (Trackers, ())}
HELP = """    out: run directory to create; `runs/...` unless given.
    parallel: where the weights lie under torchrun: whole in each process (data) or in shards (fsdp).
    track: tensorboard or wandb, beside metrics.jsonl; may be given twice.
"""


def run(argv: Sequence[str]) -> int:
    name = named_recipe("train", argv)
    if name is None:
        return 0

    def read() -> list[Any]:
        settings, more = read_flags(RECIPES[name], FLAGS, HELP, command="train", argv=argv[1:])
        recipe = RECIPES[name](**settings)
        recipe = replace(recipe, engine=replace(recipe.engine, parallel=more["parallel"]))
        say_notes(recipe.task)
        return [encode_part(recipe), str(more["out"] or default_directory(recipe)), more["track"]]

    with open_group() as ranks:
        encoded, out, track = ranks.only_first(read)  # the first process builds what a recipe needs; the others get it
        recipe = decode_part(encoded, Recipe)
        with tracking(track if ranks.first else (), out) as note:
            return follow(recipe.label, lambda show: train(recipe, out=out, on_step=show, ranks=ranks), recipe, note)


def follow(label: str, start: Callable[[OnStep], Outcome], recipe: Recipe, note: OnStep) -> int:
    """Shows a run's progress; says where it is, and how to go on where it was interrupted. `note` hears of each row."""
    console, total = Console(stderr=True), recipe.schedule.steps
    with progress_bar(label, console) as move:

        def show(metrics: Mapping[str, float]) -> None:
            move(int(metrics["step"]), total, training_note(metrics))
            note(metrics)

        outcome = start(show)
    if outcome.finished:
        limit = recipe.schedule.tokens
        why = f" (all that {limit:,} tokens allow)" if limit and outcome.step < total else ""
        console.print(f"Trained {outcome.step} steps{why}: {outcome.path}", highlight=False, soft_wrap=True)
        console.print(f"Next: forage eval {outcome.path}", highlight=False, soft_wrap=True)
        return 0
    console.print(
        f"Interrupted after step {outcome.step} of {total}; all is saved.\nGo on with: forage resume {outcome.path}",
        highlight=False,
        soft_wrap=True,
    )
    return 130

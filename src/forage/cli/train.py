"""`forage train RECIPE`: the recipe's parameters are its flags."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from forage.cli.progress import progress_bar, say_notes, training_note
from forage.engines.ranks.torchrun import open_ranks
from forage.errors import ForageError
from forage.part_json import decode_part, encode_part
from forage.recipe import Recipe
from forage.recipes import RECIPES
from forage.tracking import TrackerName, tracking
from forage.training import OnStep, Outcome, default_directory, train

Parallel = Literal["data", "fsdp"]


def run(argv: Sequence[str]) -> int:
    if not argv or argv[0].startswith("-"):
        wants_help = bool(argv) and argv[0] in ("-h", "--help")
        message = f"usage: forage train RECIPE [options]; the recipes are: {', '.join(RECIPES)}."
        if not wants_help:
            raise ForageError(f"Which recipe? {message}")
        print(f"{message}\n`forage train {next(iter(RECIPES))} --help` lists the options.")
        return 0
    name, *rest = argv
    if name not in RECIPES:
        raise ForageError(f"There is no recipe {name!r}. The recipes are: {', '.join(RECIPES)}.")

    def read() -> list[Any]:
        recipe, place, track = tyro.cli(_with_flags(RECIPES[name]), prog=f"forage train {name}", args=rest)
        say_notes(recipe.task)
        return [encode_part(recipe), str(place or default_directory(recipe)), track]

    with open_ranks() as ranks:
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


MORE = """    out: run directory to create; `runs/...` unless given.
    parallel: where the weights lie under torchrun: whole in each process (data) or in shards (fsdp).
    track: tensorboard or wandb, beside metrics.jsonl; may be given twice.
"""

Trackers = Annotated[tuple[TrackerName, ...], tyro.conf.UseAppendAction]


def _with_flags(build: Callable[..., Recipe]) -> Callable[..., tuple[Recipe, Path | None, Sequence[TrackerName]]]:
    """The recipe function with the flags that every run has (`MORE`). What is a sequence may be given several times."""
    signature = inspect.signature(build)
    parameters = [
        parameter.replace(annotation=Annotated[tuple[str, ...], tyro.conf.UseAppendAction])
        if parameter.default == ()
        else parameter
        for parameter in signature.parameters.values()
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    more = (
        inspect.Parameter("out", keyword, default=None, annotation=Path | None),
        inspect.Parameter("parallel", keyword, default="data", annotation=Parallel),
        inspect.Parameter("track", keyword, default=(), annotation=Trackers),
    )

    def with_flags(
        *, out: Path | None = None, parallel: Parallel = "data", track: Sequence[TrackerName] = (), **settings: Any
    ) -> tuple[Recipe, Path | None, Sequence[TrackerName]]:
        recipe = build(**settings)
        return replace(recipe, engine=replace(recipe.engine, parallel=parallel)), out, track

    with_flags.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]  (a function has one)
        parameters=[*parameters, *more], return_annotation=tuple[Recipe, Path | None, Sequence[TrackerName]]
    )
    with_flags.__annotations__ = {p.name: p.annotation for p in (*parameters, *more)}
    with_flags.__name__ = build.__name__
    with_flags.__doc__ = f"{inspect.getdoc(build)}\n{MORE}"
    return with_flags

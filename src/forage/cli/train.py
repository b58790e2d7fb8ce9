"""`forage train RECIPE`: the recipe's parameters are its flags."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from forage.cli.progress import progress_bar, training_note
from forage.engines.ranks.torchrun import open_ranks
from forage.errors import ForageError
from forage.part_json import decode_part, encode_part
from forage.recipe import Recipe
from forage.recipes import RECIPES
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
        recipe, place = tyro.cli(_with_out(RECIPES[name]), prog=f"forage train {name}", args=rest)
        return [encode_part(recipe), str(place or default_directory(recipe))]

    with open_ranks() as ranks:
        encoded, out = ranks.only_first(read)  # the first process builds what a recipe needs; the others get it
        recipe = decode_part(encoded, Recipe)
        return follow(recipe.label, lambda on_step: train(recipe, out=out, on_step=on_step, ranks=ranks), recipe)


def follow(label: str, start: Callable[[OnStep], Outcome], recipe: Recipe) -> int:
    """Shows a run's progress; says where it is, and how to go on where it was interrupted."""
    console, total = Console(stderr=True), recipe.schedule.steps
    with progress_bar(label, console) as move:
        outcome = start(lambda metrics: move(int(metrics["step"]), total, training_note(metrics)))
    if outcome.finished:
        console.print(f"Trained {outcome.step} steps: {outcome.path}", highlight=False, soft_wrap=True)
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
"""


def _with_out(build: Callable[..., Recipe]) -> Callable[..., tuple[Recipe, Path | None]]:
    """The recipe function with the flags that every run has (`MORE`). `--method` may be given several times."""
    signature = inspect.signature(build)
    parameters = [
        parameter.replace(annotation=Annotated[tuple[str, ...], tyro.conf.UseAppendAction], default=())
        if name == "method"
        else parameter
        for name, parameter in signature.parameters.items()
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    more = (
        inspect.Parameter("out", keyword, default=None, annotation=Path | None),
        inspect.Parameter("parallel", keyword, default="data", annotation=Parallel),
    )

    def with_out(
        *, out: Path | None = None, parallel: Parallel = "data", **settings: Any
    ) -> tuple[Recipe, Path | None]:
        recipe = build(**settings)
        return replace(recipe, engine=replace(recipe.engine, parallel=parallel)), out

    with_out.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]  (a function has one)
        parameters=[*parameters, *more], return_annotation=tuple[Recipe, Path | None]
    )
    with_out.__annotations__ = {p.name: p.annotation for p in (*parameters, *more)}
    with_out.__name__ = build.__name__
    with_out.__doc__ = f"{inspect.getdoc(build)}\n{MORE}"
    return with_out

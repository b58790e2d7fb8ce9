"""`forage train RECIPE`: the recipe's parameters are its flags."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from forage.cli.progress import progress_bar, say_notes, training_note
from forage.errors import ForageError
from forage.recipe import Recipe
from forage.recipes import RECIPES
from forage.training import OnStep, Outcome, default_directory, train


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
    recipe, out = tyro.cli(_with_out(RECIPES[name]), prog=f"forage train {name}", args=rest)
    say_notes(recipe.task)
    return follow(
        recipe.label, lambda on_step: train(recipe, out=out or default_directory(recipe), on_step=on_step), recipe
    )


def follow(label: str, start: Callable[[OnStep], Outcome], recipe: Recipe) -> int:
    """Shows a run's progress; says where it is, and how to go on where it was interrupted."""
    console, total = Console(stderr=True), recipe.schedule.steps
    with progress_bar(label, console) as move:
        outcome = start(lambda metrics: move(int(metrics["step"]), total, training_note(metrics)))
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


def _with_out(build: Callable[..., Recipe]) -> Callable[..., tuple[Recipe, Path | None]]:
    """The recipe function with one more flag: where the run goes. What is a sequence may be given several times."""
    signature = inspect.signature(build)
    parameters = [
        parameter.replace(annotation=Annotated[tuple[str, ...], tyro.conf.UseAppendAction])
        if parameter.default == ()
        else parameter
        for parameter in signature.parameters.values()
    ]
    out = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Path | None)

    def with_out(*, out: Path | None = None, **settings: Any) -> tuple[Recipe, Path | None]:
        return build(**settings), out

    with_out.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]  (a function has one)
        parameters=[*parameters, out], return_annotation=tuple[Recipe, Path | None]
    )
    with_out.__annotations__ = {p.name: p.annotation for p in (*parameters, out)}
    with_out.__name__ = build.__name__
    with_out.__doc__ = f"{inspect.getdoc(build)}\n    out: run directory to create; `runs/...` unless given.\n"
    return with_out

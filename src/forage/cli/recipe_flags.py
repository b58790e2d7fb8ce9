"""A recipe's parameters as flags, beside those of the command that asks for a recipe."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from forage.core.errors import ForageError
from forage.recipes import RECIPES
from forage.training.recipe import Recipe

Texts = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]
"""A flag that may be given several times."""

Out = Path | None


def named_recipe(command: str, argv: Sequence[str]) -> str | None:
    """The recipe that `argv` begins with; None where help was asked for, which is shown. Raises ForageError."""
    if not argv or argv[0].startswith("-"):
        message = f"usage: forage {command} RECIPE [options]; the recipes are: {', '.join(RECIPES)}."
        if not argv or argv[0] not in ("-h", "--help"):
            raise ForageError(f"Which recipe? {message}")
        print(f"{message}\n`forage {command} {next(iter(RECIPES))} --help` lists the options.")
        return None
    if argv[0] not in RECIPES:
        raise ForageError(f"There is no recipe {argv[0]!r}. The recipes are: {', '.join(RECIPES)}.")
    return argv[0]


def read_flags(
    build: Callable[..., Recipe],
    more: Mapping[str, tuple[Any, Any]],
    help_text: str,
    *,
    command: str,
    argv: Sequence[str],
    without: Collection[str] = (),
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was typed for the recipe's parameters (but those in `without`), and for `more`: name -> (type, default).

    `help_text` has a line "name: what it is" for each of `more`. What is a sequence may be given several times.
    """
    signature = inspect.signature(build)
    parameters = [
        parameter.replace(annotation=Texts) if parameter.default == () else parameter
        for name, parameter in signature.parameters.items()
        if name not in without
    ]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in more.items()
    ]

    def flags(**given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        own = {name: given.pop(name) for name in more}
        return given, own

    flags.__signature__ = signature.replace(  # pyright: ignore[reportFunctionMemberAccess]  (tyro reads it)
        parameters=parameters, return_annotation=tuple[dict[str, Any], dict[str, Any]]
    )
    flags.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    flags.__name__ = build.__name__
    flags.__doc__ = f"{_without(inspect.getdoc(build) or '', without)}\n{help_text}"
    return tyro.cli(flags, prog=f"forage {command} {build.__name__}", args=list(argv))


def _without(text: str, names: Collection[str]) -> str:
    """A docstring without the lines of these parameters."""
    lines = text.splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith(tuple(f"{name}:" for name in names)))

"""A recipe's parameters as flags, beside those of the command that asks for a recipe."""

import argparse
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from forage.core.errors import ForageError
from forage.core.spec import did_you_mean
from forage.tasks.table import Columns, open_table
from forage.tasks.table.files import data_files
from forage.tasks.verifiers.plain import Exact

if TYPE_CHECKING:  # loading torch takes seconds, and many a command is refused before anything is computed
    from forage.training.recipe import Recipe

RECIPE_NAMES = ("countdown", "colouring", "code", "dialogue", "gym", "table")
"""The keys of `forage.recipes.RECIPES`."""

LARGE_TABLE = 1 << 24
"""Bytes of a table that is not read twice."""

Texts = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]
"""A flag that may be given several times."""

Out = Path | None


def named_recipe(command: str, argv: Sequence[str]) -> str | None:
    """The recipe that `argv` begins with; None where help was asked for, which is shown. Raises ForageError."""
    if not argv or argv[0].startswith("-"):
        message = f"usage: forage {command} RECIPE [options]; the recipes are: {', '.join(RECIPE_NAMES)}."
        if not argv or argv[0] not in ("-h", "--help"):
            raise ForageError(f"Which recipe? {message}")
        print(f"{message}\n`forage {command} {RECIPE_NAMES[0]} --help` lists the options.")
        return None
    if argv[0] not in RECIPE_NAMES:
        guess = did_you_mean(argv[0], RECIPE_NAMES)
        raise ForageError(f"There is no recipe {argv[0]!r}. {guess}The recipes are: {', '.join(RECIPE_NAMES)}.")
    return argv[0]


def refuse_table(argv: Sequence[str]) -> None:
    """Reads the table that flags of the recipe `table` name, and refuses what is wrong with it before torch loads.

    Of larger tables only that they exist: a second reading would cost more than it saves.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("data", "test", "prompt-column", "answer-column", "id-column", "answer-after"):
        parser.add_argument(f"--{name}", default="" if name == "answer-after" else None)
    parser.add_argument("--skip-bad-rows", action="store_true")
    parser.add_argument("--test-share", type=float)
    try:
        given, _ = parser.parse_known_args([each.replace("_", "-") if each[:2] == "--" else each for each in argv])
    except argparse.ArgumentError:
        return  # the real reading of the flags finds better words
    if given.data is None:
        return
    files = data_files(Path(given.data))
    if sum(file.stat().st_size for file in files) > LARGE_TABLE:
        return
    columns = Columns(
        prompt=given.prompt_column or "prompt",
        answer=given.answer_column or "answer",
        id=given.id_column,
        answer_after=given.answer_after,
    )
    test = Path(given.test) if given.test else None
    share, skip = given.test_share, given.skip_bad_rows
    table = open_table(
        Path(given.data), test=test, test_share=share, verifier=Exact(), columns=columns, skip_bad_rows=skip
    )
    table.problems("train")


def read_flags(
    build: Callable[..., "Recipe"],
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
        parameter.replace(annotation=Texts if parameter.default == () else typed_kind(parameter.annotation))
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


def typed_kind(annotation: object) -> object:
    """What is typed where Python takes more: a path where it takes text too, a name where it takes functions."""
    from forage.recipes.own_model import Checker, Place

    kinds: Mapping[object, object] = {Place: Path, Place | None: Path | None, Checker: str}
    return kinds.get(annotation, annotation)


def _without(text: str, names: Collection[str]) -> str:
    """A docstring without the lines of these parameters."""
    lines = text.splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith(tuple(f"{name}:" for name in names)))

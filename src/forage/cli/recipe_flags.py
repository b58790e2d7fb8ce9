"""A recipe's settings as flags in groups, beside those of the command that asks for a recipe."""

import argparse
import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import tyro

from forage.core.errors import ForageError
from forage.core.spec import did_you_mean
from forage.tasks.table import Columns, open_table
from forage.tasks.table.files import data_files
from forage.tasks.table.separated import Separated
from forage.tasks.verifiers.plain import Exact

if TYPE_CHECKING:  # loading torch takes seconds, and many a command is refused before anything is computed
    from forage.recipes.compose import RecipeFunction

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
    parser.add_argument("--delimiter", default="")
    parser.add_argument("--encoding", default="utf-8")
    try:
        given, _ = parser.parse_known_args([_dashed(each) for each in argv])
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
    table = open_table(
        Path(given.data),
        test=test,
        test_share=given.test_share,
        verifier=Exact(),
        columns=columns,
        separated=Separated(delimiter=given.delimiter, encoding=given.encoding),
        skip_bad_rows=given.skip_bad_rows,
    )
    table.problems("train")


def _dashed(argument: str) -> str:
    """A flag as it is declared, however it was typed; what is given to it stays as it is."""
    flag, equals, value = argument.partition("=")
    return f"{flag.replace('_', '-')}{equals}{value}" if flag[:2] == "--" else argument


FIRST = ("method", "steps", "seed", "out", "model")
"""The flags that matter most, which help lists first."""


def read_flags(
    build: "RecipeFunction[...]",
    more: Mapping[str, tuple[Any, Any]],
    help_text: str,
    *,
    command: str,
    argv: Sequence[str],
    without: Collection[str] = (),
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was typed for the recipe's settings (but those in `without`), and for `more`: name -> (type, default).

    `help_text` has a line "name: what it is" for each of `more`. What is a sequence may be given several times.
    """
    from forage.recipes.settings import GROUPS

    shared = {name: each for name, each in build.shared_parameters.items() if name not in without}
    run, *groups = GROUPS.items()
    commands = [_parameter(name, kind, default) for name, (kind, default) in more.items()]
    top = [*(shared[name] for name in get_type_hints(run[1]) if name in shared), *commands]
    top.sort(key=lambda each: FIRST.index(each.name) if each.name in FIRST else len(FIRST))
    boxes = [_box(f"{build.name} task", build.__doc__ or "", build.task_parameters.values())]
    for title, group in groups:
        boxes.append(_box(title, inspect.getdoc(group) or "", (shared[name] for name in get_type_hints(group))))

    def flags(**typed: Any) -> dict[str, Any]:
        return {key: value for name, each in typed.items() for key, value in _flat(name, each, boxes)}

    parameters = [_typed(each) for each in top]
    parameters += [_parameter(kind.__name__, tyro.conf.OmitArgPrefixes[kind]) for kind in boxes]
    flags.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]  (tyro reads it)
    flags.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    flags.__doc__ = (
        _summary(build.__doc__ or "") + "\n\nArgs:\n" + _lines(inspect.getdoc(run[1]) or "") + "\n" + help_text
    )
    typed = tyro.cli(flags, prog=f"forage {command} {build.name}", args=list(argv))
    own = {name: typed.pop(name) for name in more}
    return typed, own


def _parameter(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _typed(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(annotation=Texts if parameter.default == () else typed_kind(parameter.annotation))


def _box(title: str, text: str, parameters: Iterable[inspect.Parameter]) -> type:
    """A dataclass of these parameters: tyro shows its flags in a box of their own, below the first line of `text`."""
    fields: list[tuple[str, Any, Any]] = []
    for each in map(_typed, parameters):
        given = {} if each.default is inspect.Parameter.empty else {"default": each.default}
        fields.append((each.name, each.annotation, field(**given)))
    made = make_dataclass(title.replace(" ", "_"), fields, frozen=True, kw_only=True)
    made.__doc__ = f"{text.partition(chr(10))[0]}\n\nArgs:\n{_lines(text)}"
    return made


def _flat(name: str, value: Any, boxes: Sequence[type]) -> Iterable[tuple[str, Any]]:
    return vars(value).items() if isinstance(value, tuple(boxes)) else [(name, value)]


def _summary(text: str) -> str:
    """A docstring without its list of arguments."""
    return text.partition("Args:")[0].rstrip()


def _lines(text: str) -> str:
    """The list of arguments of a docstring."""
    return text.partition("Args:\n")[2].rstrip()


def typed_kind(annotation: object) -> object:
    """What is typed where Python takes more: a path where it takes text too, a name where it takes functions."""
    from forage.recipes.own_model import Checker, Place

    kinds: Mapping[object, object] = {Place: Path, Place | None: Path | None, Checker: str}
    return kinds.get(annotation, annotation)

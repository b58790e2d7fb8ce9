"""A recipe's settings as flags in groups, beside those of the command that asks for a recipe."""

import argparse
import inspect
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import tyro

from forage.cli.flags import Flag, argument_texts, parse_flags
from forage.core.errors import ForageError
from forage.core.spec import did_you_mean
from forage.tasks.table import Columns, open_table
from forage.tasks.table.files import data_files
from forage.tasks.table.separated import Separated
from forage.tasks.verifiers.plain import Exact

if TYPE_CHECKING:  # loading torch takes seconds, and many a command is refused before anything is computed
    from forage.recipes.compose import RecipeFunction

RECIPE_NAMES = (
    "countdown",
    "colouring",
    "two_ways",
    "lock",
    "bandit",
    "lookup",
    "code",
    "dialogue",
    "gym",
    "modebench",
    "table",
)
"""The keys of `forage.recipes.RECIPES`."""

LARGE_TABLE = 1 << 24
"""Bytes of a table that is not read twice."""

Texts = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]
"""A flag that may be given several times."""

Out = Path | None

PROBLEMS, OUTPUT = "problems", "output"
"""Groups of flags beside those of the settings that recipes share."""


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
    for name in ("data", "test", "prompt-column", "answer-column", "id-column", "answer-after", "solution-column"):
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
        solution=given.solution_column or "",
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


def recipe_flags(
    build: "RecipeFunction[...]",
    more: Mapping[str, tuple[Any, Any]],
    help_text: str,
    *,
    first: Sequence[str],
    without: Collection[str] = (),
) -> list[Flag]:
    """The recipe's settings (but those in `without`) and `more`, name -> (type, default), as flags in groups.

    `help_text` has a line "name: what it is" for each of `more`. Those in `first`, which matter most, stand above all
    groups, in that order; the others of `more` stand among what is written.
    """
    from forage.recipes.settings import GROUPS

    texts = argument_texts(inspect.cleandoc(build.__doc__ or "")) | argument_texts("Args:\n" + help_text)
    of = {name: group for group, kinds in GROUPS.items() for name in get_type_hints(kinds)}
    of.update(dict.fromkeys(build.task_parameters, PROBLEMS), parallel="engine")
    known = {
        **{name: (each.annotation, each.default) for name, each in build.task_parameters.items()},
        **{name: (each.annotation, each.default) for name, each in build.shared_parameters.items()},
        **more,
    }
    flags = [
        Flag(
            name=name,
            kind=Texts if default == () and name not in more else typed_kind(kind),
            default=default,
            help=texts.get(name, ""),
            group="" if name in first else of.get(name, OUTPUT),
        )
        for name, (kind, default) in known.items()
        if name not in without
    ]
    groups = [PROBLEMS, *GROUPS, OUTPUT]
    named = {flag.name: flag for flag in flags}
    top = [named[name] for name in first]
    return [*top, *sorted((flag for flag in flags if flag.group), key=lambda flag: groups.index(flag.group))]


def read_flags(
    build: "RecipeFunction[...]", flags: Sequence[Flag], more: Collection[str], *, command: str, argv: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was typed for the recipe's settings, and for the flags of the command named in `more`."""
    from forage.recipes.settings import GROUPS

    about = {title: (inspect.getdoc(kinds) or "").partition("\n")[0] for title, kinds in GROUPS.items()}
    about[OUTPUT] = "What is written."
    summary = recipe_summary(command, build)
    typed = parse_flags(flags, prog=f"forage {command} {build.name}", summary=summary, about=about, argv=argv)
    own = {name: typed.pop(name) for name in more}
    return typed, own


def recipe_summary(command: str, build: "RecipeFunction[...]") -> str:
    """What help says above the flags."""
    return f"{(build.__doc__ or '').partition('Args:')[0].rstrip()}\n\nExample: {example(command, build)}"


def example(command: str, build: "RecipeFunction[...]") -> str:
    """A command line that this recipe takes."""
    methods = {
        "train": "--method grpo --method entropy_advantage --seed 1",
        "bench": "--arm grpo --arm grpo+gspo --seeds 0,1",
    }
    needed = {
        "table": " --data problems.jsonl --model MODEL",
        "gym": " --dataset countdown --model MODEL",
        "modebench": " --dataset level1_countdown --model MODEL",
    }
    return f"forage {command} {build.name}{needed.get(build.name, '')} {methods[command]}"


def typed_kind(annotation: object) -> object:
    """What is typed where Python takes more: a path where it takes text too, a name where it takes functions."""
    from forage.recipes.own_model import Answering, Checker, Place

    kinds: Mapping[object, object] = {
        Place: Path,
        Place | None: Path | None,
        Checker: str,
        Answering | None: str | None,
    }
    return kinds.get(annotation, annotation)

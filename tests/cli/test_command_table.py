"""All commands at once: `--out` everywhere, `--json` where tables are printed, one meaning for a flag, and examples."""

import ast
import inspect
import re
import shlex
import sys
from itertools import pairwise
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest

from forage.cli.flags import EMPTY, Flag, Shown, parse_flags
from support.command_table import Command, all_commands

ALL = all_commands()

NO_TABLES = {
    "base": "builds a model, and says where it is",
    "export": "writes a folder, and says where it is",
    "import": "writes a folder, and says where it is",
    "report": "writes a page, and says where it is",
    "resume": "trains, and says how far it is",
    "sft": "trains, and says how good the model is in a sentence",
    "grams mine": "writes a list, which `grams show` prints",
    "prm label": "writes labels, and counts them in a sentence",
    "prm convert": "writes labels, and counts them in a sentence",
    "prm score": "writes scores, and sums them up in a sentence",
    "rm collect": "writes comparisons, and counts them in a sentence",
    "rm train": "trains, and says how good the model is in a sentence",
    "rm average": "writes a model, and says how good it is in a sentence",
    "rm score": "writes scores, and sums them up in a sentence",
}
"""Commands that print sentences only, so that there is nothing to print as JSON; `train` is one for every recipe."""


def test_the_table_holds_every_part_of_every_command() -> None:
    assert {"eval", "prm train", "rm average", "grams show", "import", "train table", "bench countdown"} < set(ALL)
    assert all(command.flags for command in ALL.values())


@pytest.mark.parametrize("words", ALL)
def test_every_command_takes_out_and_those_with_tables_json(words: str) -> None:
    command = ALL[words]
    assert command.flag("out"), f"`forage {words}` takes no --out"
    quiet = words in NO_TABLES or words.startswith("train ")
    assert bool(command.flag("json")) != quiet, f"`forage {words}` prints {'no table' if quiet else 'a table'}"


def prints_tables(function: Any) -> bool:
    """Whether a function, or one of its module that it calls, shows tables."""
    module = sys.modules[function.__module__]
    waiting, seen = [inspect.unwrap(function)], set[Any]()
    while waiting:
        current = waiting.pop()
        seen.add(current)
        for node in ast.walk(ast.parse(inspect.getsource(current))):
            if isinstance(node, ast.Name):
                if node.id == "Tables":
                    return True
                called = getattr(module, node.id, None)
                if inspect.isfunction(called) and called.__module__ == module.__name__ and called not in seen:
                    waiting.append(called)
    return False


def test_only_commands_without_tables_are_excused() -> None:
    assert set(NO_TABLES) < set(ALL)
    assert not [words for words in NO_TABLES if prints_tables(ALL[words].function)]
    assert prints_tables(ALL["compare"].function)
    assert prints_tables(ALL["verify"].function)


def every_flag() -> dict[str, list[tuple[str, Flag]]]:
    flags: dict[str, list[tuple[str, Flag]]] = {}
    for command in ALL.values():
        for flag in command.flags:
            if not flag.positional:
                flags.setdefault(flag.name, []).append((command.words, flag))
    return flags


def kind_of(flag: Flag) -> str:
    """Numbers, texts and switches: a whole number and a list of numbers are one kind, and so are names and paths."""

    def kind(annotation: Any) -> str:
        marks = getattr(annotation, "__metadata__", ())
        if marks:
            return "number" if any(isinstance(mark, Shown) for mark in marks) else kind(annotation.__origin__)
        if get_origin(annotation) in (Union, UnionType):
            return kind(next(part for part in get_args(annotation) if part is not type(None)))
        return {bool: "switch", int: "number", float: "number"}.get(annotation, "text")

    return kind(flag.kind)


@pytest.mark.parametrize("name", every_flag())
def test_a_flag_means_the_same_in_every_command(name: str) -> None:
    uses = every_flag()[name]
    meanings = {flag.meaning: words for words, flag in uses}
    assert len(meanings) == 1, f"--{name} has several meanings: {meanings}"
    assert len({kind_of(flag) for _, flag in uses}) == 1, f"--{name} takes several kinds of value"


def test_two_meanings_would_be_found() -> None:
    first = Flag(name="words", kind=str, help="Words of a phrase. From-to.")
    second = Flag(name="words", kind=str | None, help="Classes of words.")
    assert first.meaning == "Words of a phrase."
    assert first.meaning != second.meaning
    assert kind_of(first) == kind_of(second) == "text"


@pytest.mark.parametrize("words", ALL)
def test_help_is_made_of_sentences(words: str) -> None:
    for flag in ALL[words].flags:
        assert flag.help.endswith("."), f"`forage {words}`: {flag.name}: {flag.help!r}"
        assert flag.help[0].isupper() or flag.positional, f"`forage {words}`: {flag.name}: {flag.help!r}"


@pytest.mark.parametrize("words", ALL)
def test_the_first_box_is_short_and_the_others_have_names(words: str) -> None:
    named = [flag for flag in ALL[words].flags if not flag.positional]
    first = [flag for flag in named if not flag.group]
    assert len(first) <= 9
    assert len(first) == len(named) or len(first) == 5
    groups = [flag.group for flag in named]
    assert [a for a, b in pairwise(groups) if a != b] == list(dict.fromkeys(groups))[:-1]


def example_of(command: Command) -> list[str]:
    found = re.search(r"Example: forage (.+)", command.summary)
    assert found, f"`forage {command.words}` has no example"
    return shlex.split(found[1])


@pytest.mark.parametrize("words", ALL)
def test_the_example_of_a_command_is_one(words: str) -> None:
    command = ALL[words]
    typed = example_of(command)
    size = len(words.split())
    assert " ".join(typed[:size]) == words
    values = parse_flags(command.flags, prog=words, summary="", argv=typed[size:])
    assert {flag.name for flag in command.flags} == set(values)
    given = {word.partition("=")[0] for word in typed if word.startswith("--")}
    assert given <= {flag.spelling for flag in command.flags}
    assert all(values[flag.name] != EMPTY for flag in command.flags)

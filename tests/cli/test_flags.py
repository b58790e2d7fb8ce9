"""A function as a command line."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from forage.cli.flags import argument_texts, flags_of, run_function, run_subcommand
from forage.core.errors import ForageError

Call = tuple[Path, int, tuple[str, ...], bool, str]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A box of flags.

    Args:
        device: Where models compute.
    """

    device: str = "cpu"


CALLS: list[Call] = []


def work(
    path: Path,
    /,
    *,
    steps: int = 3,
    names: tuple[str, ...] = (),
    fast: bool = False,
    machine: Machine = Machine(device="cuda"),
) -> int | None:
    """Works.

    Args:
        path: Where, which
            takes two lines.
        steps: Steps. So many: as wanted.
        names: Names.
        fast: Faster.
        machine: Its own text is that of the box.
    """
    CALLS.append((path, steps, names, fast, machine.device))
    return steps if steps > 3 else None


def test_what_is_typed_reaches_the_function() -> None:
    CALLS.clear()
    assert run_function(work, prog="work", argv=["here"]) == 0
    typed = ["there", "--steps", "7", "--names", "a", "b", "--fast", "--device", "cpu"]
    assert run_function(work, prog="work", argv=typed) == 7, "what it returns is the exit code"
    assert [(Path("here"), 3, (), False, "cuda"), (Path("there"), 7, ("a", "b"), True, "cpu")] == CALLS


def test_flags_have_the_texts_of_the_documentation() -> None:
    flags = {flag.name: flag for flag in flags_of(work)}
    assert list(flags) == ["path", "steps", "names", "fast", "device"]
    assert flags["path"].positional
    assert flags["path"].help == "Where, which takes two lines."
    assert (flags["steps"].meaning, flags["steps"].default) == ("Steps.", 3)
    assert (flags["device"].help, flags["device"].default) == ("Where models compute.", "cuda")


def test_help_shows_names_and_defaults_that_say_something(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run_function(work, prog="work", argv=["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "PATH" in text
    assert "(default: 3)" in text
    assert "None" not in text
    assert "--no-fast" not in text


def test_many_flags_stand_in_boxes_below_the_first_five() -> None:
    def many(
        *, a: int = 0, b: int = 0, c: int = 0, d: int = 0, e: int = 0, seed: int = 0, json: bool = False,
        threads: int = 0, split: str = "", odd: int = 0,
    ) -> None:  # fmt: skip
        """Many."""

    groups = [(flag.name, flag.group) for flag in flags_of(many)]
    assert [name for name, group in groups if not group] == ["a", "b", "c", "d", "e"]
    assert groups[5:] == [
        ("split", "problems"),
        ("threads", "engine"),
        ("odd", "other"),
        ("seed", "other"),
        ("json", "output"),
    ]


def test_texts_of_arguments() -> None:
    text = "A summary: not one.\n\nArgs:\n    a: First.\n    b: Second,\n        which goes on: here.\n\nRaises: c."
    assert argument_texts(text) == {"a": "First.", "b": "Second, which goes on: here."}


def test_a_part_of_a_command_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    CALLS.clear()
    assert run_subcommand("both", {"work": work}, ["work", "here"]) == 0
    assert CALLS[0][0] == Path("here")
    assert run_subcommand("both", {"work": work}, ["--help"]) == 0
    assert "work  Works." in capsys.readouterr().out
    for argv in ([], ["play"]):
        with pytest.raises(ForageError, match="forage both work"):
            run_subcommand("both", {"work": work}, argv)

"""A function as a command line: its keyword parameters are flags, and its documentation is what help says of them."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from forage.cli.flag_groups import FIRST_FLAGS, GROUPS, OTHER, UNGROUPED_FLAGS
from forage.core.errors import ForageError

ABOUT = {group: sentence for group, (sentence, _) in GROUPS.items()}

EMPTY = inspect.Parameter.empty

WORDS: Mapping[Any, str] = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}
"""What help shows in the place of a value of each type."""

_ENTRY = re.compile(r"    (\w+): (.*)")


@dataclass(frozen=True, slots=True)
class Shown:
    """In an `Annotated` type: what help shows in the place of the value."""

    word: str


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag, or one positional argument. `box` is the dataclass that has it as a field, in the parameter `owner`."""

    name: str
    kind: Any
    help: str
    default: Any = EMPTY
    positional: bool = False
    group: str = ""
    owner: str = ""
    box: type | None = None

    @property
    def spelling(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def meaning(self) -> str:
        """The first sentence of its help, which is the same in every command that has the flag."""
        return re.split(r"(?<=\.)\s", self.help, maxsplit=1)[0]


def run_function(function: Callable[..., Any], *, prog: str, argv: Sequence[str]) -> int:
    """Calls a command's function with what was typed; returns its exit code, 0 where it returns none."""
    flags = flags_of(function)
    typed = parse_flags(flags, prog=prog, summary=summary_of(function), argv=argv)
    positional = [typed.pop(flag.name) for flag in flags if flag.positional]
    boxes: dict[str, tuple[type, dict[str, Any]]] = {}
    for flag in flags:
        if flag.box is not None:
            boxes.setdefault(flag.owner, (flag.box, {}))[1][flag.name] = typed.pop(flag.name)
    code = function(*positional, **typed, **{owner: box(**values) for owner, (box, values) in boxes.items()})
    return int(code or 0)


def run_subcommand(name: str, parts: Mapping[str, Callable[..., Any]], argv: Sequence[str]) -> int:
    """Runs the part that `argv` begins with; returns 0. Raises ForageError, naming all parts, where it names none."""
    if argv and argv[0] in parts:
        return run_function(parts[argv[0]], prog=f"forage {name} {argv[0]}", argv=argv[1:])
    message = f"usage: forage {name} {'|'.join(parts)} ...; --help after each of them lists its options."
    if argv and argv[0] in ("-h", "--help"):
        width = max(map(len, parts))
        summaries = {part: (inspect.getdoc(work) or "").partition("\n")[0] for part, work in parts.items()}
        print("\n".join([message, "", *(f"  {part.ljust(width)}  {summary}" for part, summary in summaries.items())]))
        return 0
    raise ForageError(f"Which part of the work? {message}")


def flags_of(function: Callable[..., Any]) -> list[Flag]:
    """The flags of a command's function; a parameter whose type is a dataclass stands for the fields of that."""
    kinds = get_type_hints(function, include_extras=True)
    helps = argument_texts(inspect.getdoc(function) or "")
    flags: list[Flag] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if dataclasses.is_dataclass(kinds[name]):
            flags.extend(_fields(name, kinds[name], parameter.default))
            continue
        positional = parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        kind, default = kinds[name], parameter.default
        flags.append(Flag(name=name, kind=kind, help=helps.get(name, ""), default=default, positional=positional))
    return _grouped(flags)


def parse_flags(
    flags: Sequence[Flag], *, prog: str, summary: str, argv: Sequence[str], about: Mapping[str, str] = ABOUT
) -> dict[str, Any]:
    """What was typed: name -> value. Help shows the flags of a group in a box of their own, below what it is about."""
    groups = dict.fromkeys(flag.group for flag in flags if flag.group)
    boxes = {
        group: _box(group, about.get(group, ""), [flag for flag in flags if flag.group == group]) for group in groups
    }

    def line(**typed: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in typed.items():
            values.update(vars(value) if name in boxes else {name: value})
        return values

    top = [_parameter(flag.name, _annotated(flag), flag.default) for flag in flags if not flag.group]
    top += [_parameter(group, tyro.conf.OmitArgPrefixes[box]) for group, box in boxes.items()]
    line.__signature__ = inspect.Signature(top)  # pyright: ignore[reportFunctionMemberAccess]  (tyro reads it)
    line.__annotations__ = {parameter.name: parameter.annotation for parameter in top}
    line.__doc__ = summary
    return tyro.cli(line, prog=prog, args=list(argv), config=(tyro.conf.FlagCreatePairsOff,))


def summary_of(function: Callable[..., Any]) -> str:
    """The documentation without its list of arguments."""
    return (inspect.getdoc(function) or "").partition("Args:")[0].rstrip()


def argument_texts(documentation: str) -> dict[str, str]:
    """The text of every entry below "Args:" in a documentation without common indentation."""
    texts: dict[str, str] = {}
    name = ""
    for line in documentation.partition("Args:\n")[2].splitlines():
        if entry := _ENTRY.fullmatch(line):
            name = entry[1]
            texts[name] = entry[2]
        elif name and line.startswith("     "):
            texts[name] += " " + line.strip()
    return texts


def _fields(owner: str, box: type, given: Any) -> Iterable[Flag]:
    """The fields of a box of flags, with the values that the parameter `owner` gives them unless others are typed."""
    kinds, helps = get_type_hints(box, include_extras=True), argument_texts(inspect.getdoc(box) or "")
    for each in dataclasses.fields(box):
        default = EMPTY if given is EMPTY else getattr(given, each.name)
        yield Flag(
            name=each.name, kind=kinds[each.name], help=helps.get(each.name, ""), default=default, owner=owner, box=box
        )


def _grouped(flags: Sequence[Flag]) -> list[Flag]:
    """The flags that matter first, then the others by their group; few flags need no groups."""
    named = [flag for flag in flags if not flag.positional]
    if len(named) <= UNGROUPED_FLAGS:
        return list(flags)
    places = {name: (group, place) for group, (_, names) in GROUPS.items() for place, name in enumerate(names)}
    later = [dataclasses.replace(flag, group=places.get(flag.name, (OTHER, 0))[0]) for flag in named[FIRST_FLAGS:]]
    later.sort(key=lambda flag: (list(GROUPS).index(flag.group), places.get(flag.name, (OTHER, -1))[1]))
    return [*(flag for flag in flags if flag.positional), *named[:FIRST_FLAGS], *later]


def _box(group: str, about: str, flags: Sequence[Flag]) -> type:
    """A dataclass of these flags, which is how tyro learns of a group."""
    needed = [(flag.name, _annotated(flag)) for flag in flags if flag.default is EMPTY]
    given = [
        (flag.name, _annotated(flag), dataclasses.field(default=flag.default))
        for flag in flags
        if flag.default is not EMPTY
    ]
    made = make_dataclass(group, [*needed, *given], frozen=True, kw_only=True)
    made.__doc__ = about
    return made


def _parameter(name: str, kind: Any, default: Any = EMPTY) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _annotated(flag: Flag) -> Any:
    """The type of a flag with its help. What nothing is said about is not shown as a default."""
    kind, marks = _unwrapped(flag.kind)
    word = next((mark.word for mark in marks if isinstance(mark, Shown)), None) or _word(kind)
    silent = flag.default is EMPTY or flag.default in (None, "", ()) or flag.default is False
    shown = flag.name.upper().replace("_", "-") if flag.positional else word
    if flag.positional and get_origin(kind) is tuple:
        shown = f"[{shown} ...]"
    elif flag.positional and flag.default is not EMPTY:
        shown = f"[{shown}]"
    described = tyro.conf.arg(
        help=flag.help,
        metavar=None if kind is bool else shown,
        help_behavior_hint="" if silent else lambda default: f"(default: {default})",
    )
    own = [mark for mark in marks if not isinstance(mark, Shown)]
    if flag.positional:
        own.append(tyro.conf.Positional)
    form: Any = Annotated  # what is annotated is known only here, so no type checker can read it
    annotated: Any = form[kind, described]
    for mark in own:
        annotated = form[annotated, mark]
    return annotated


def _unwrapped(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without what `Annotated` says of it, and that."""
    marks = getattr(kind, "__metadata__", ())
    return (kind.__origin__, marks) if marks else (kind, ())


def _word(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_word(part) for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, get_args(kind))) + "}"
    if get_origin(kind) is tuple:
        return _word(get_args(kind)[0])
    return WORDS.get(_unwrapped(kind)[0], "TEXT")

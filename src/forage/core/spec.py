"""Calls as people type them: `entropy_advantage:alpha=0.2,kappa=3`, `countdown:size=experiment`."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping

from forage.core.errors import ForageError

Value = bool | int | float | str | None


def parse_call(
    text: str, kind: str, names: Collection[str], parameters: Callable[[str], Mapping[str, object]]
) -> tuple[str, dict[str, Value]]:
    """`name:key=value,...` -> (name, {key: value}), each value of the type of that parameter's default.

    `kind` is what the sentences call it ("method"); `names` are the known ones; `parameters(name)` gives the defaults.
    Raises ForageError for an unknown name or key, and for a value of another type.
    """
    name, _, settings = text.partition(":")
    if name not in names:
        guess = did_you_mean(name, names)
        raise ForageError(f"There is no {kind} {name!r}. {guess}The {kind}s are: {', '.join(sorted(names))}.")
    defaults = parameters(name)
    values: dict[str, Value] = {}
    for setting in filter(None, settings.split(",")):
        key, equals, value = setting.partition("=")
        if key not in defaults or not equals:
            known = ", ".join(f"{k}={v}" for k, v in defaults.items()) or "none"
            guess = did_you_mean(key, defaults)
            raise ForageError(f"In {kind} {text}: {setting!r} is not a setting of {name}. {guess}It has: {known}.")
        values[key] = typed(value, defaults[key], where=f"{kind} {text}")
    return name, values


def split_free(settings: str, free: str, names: Collection[str]) -> tuple[str, dict[str, str]]:
    """What stands before the setting `free`, which may hold anything, commas too, and comes last; and that setting.

    Its name may be left out where nothing else is given. `names` are the settings there are.
    """
    for place in ("", ","):
        before, separator, after = settings.partition(f"{place}{free}=")
        if separator and (place or not before):
            return before, {free: after}
    first = settings.partition("=")[0]
    return (settings, {}) if first in names or not settings else ("", {free: settings})


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A question with the known name that is most like this one, and a space; "" where none is like it."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}? " if close else ""


def typed(text: str, default: object, *, where: str) -> Value:
    """`text` as the type of `default`; where that is None, whatever it looks like. Raises ForageError."""
    if default is None and text.lower() == "none":
        return None
    if isinstance(default, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise ForageError(f"In {where}: {text!r} is neither true nor false.")
    if isinstance(default, str):
        return text
    for number in (int, float):
        if isinstance(default, number) or default is None:
            try:
                return number(text)
            except ValueError:
                continue
    if default is None:
        return text
    raise ForageError(f"In {where}: {text!r} is not a number{' without fraction' if isinstance(default, int) else ''}.")


def without_folders(text: str) -> str:
    """`hicra:grams=runs/a/grams.json` as `hicra:grams=grams.json`: what a person reads of settings that are files."""
    return re.sub(r"[^=,+\s]*/", "", text)

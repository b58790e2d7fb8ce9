"""Verifiers: how an answer is checked, by the name that the command line takes."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from forage.core.errors import ForageError
from forage.core.spec import parse_call, split_free
from forage.tasks.own_function import name_of
from forage.tasks.verifiers.base import Verified, Verifier, verdict
from forage.tasks.verifiers.function import Python
from forage.tasks.verifiers.mathematics import Math
from forage.tasks.verifiers.pattern import Regex
from forage.tasks.verifiers.plain import Choice, Exact, Numeric
from forage.tasks.verifiers.unit_tests import UnitTests
from forage.tasks.verifiers.words import WordF1

__all__ = ["VERIFIERS", "Verified", "Verifier", "chosen_verifier", "parse_verifier", "verdict"]

VERIFIERS: Mapping[str, type[Verifier]] = {
    kind.name: kind for kind in (Exact, Numeric, Choice, Regex, WordF1, Math, UnitTests, Python)
}


def chosen_verifier(given: str | Verifier | Callable[..., Any]) -> Verifier:
    """What somebody gave as a verifier: its name as text, built, or a function of theirs. Raises ForageError."""
    if isinstance(given, Verifier):
        return given
    return parse_verifier(given) if isinstance(given, str) else Python(function=name_of(given))


def parse_verifier(text: str) -> Verifier:
    r"""`numeric:tolerance=1e-6`, `math`, `python:my_checks:is_right`, `regex:answer is (\d+)` as a verifier.

    Where a verifier has a setting of free text (a pattern, a function), that one comes last and takes all that follows
    its name; the name may be left out where it is the only setting. Raises ForageError for anything unknown.
    """
    name, _, settings = text.partition(":")
    kind = VERIFIERS.get(name)
    if kind is None:
        raise ForageError(f"There is no verifier {name!r}. The verifiers are: {', '.join(sorted(VERIFIERS))}.")
    free, values = kind.free_text, {}
    if free:
        settings, values = split_free(settings, free, [field.name for field in fields(kind)])  # pyright: ignore[reportArgumentType]
    _, plain = parse_call(f"{name}:{settings}", "verifier", VERIFIERS, _defaults)
    return kind(**{**plain, **values})


def _defaults(name: str) -> dict[str, Any]:
    settings = fields(VERIFIERS[name])  # pyright: ignore[reportArgumentType]  (every verifier is a dataclass)
    return {field.name: None if field.default is MISSING else field.default for field in settings}

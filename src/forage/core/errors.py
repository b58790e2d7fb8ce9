"""The one exception that is written for a person.

Everything a user can get wrong ends in a `ForageError` whose message is a sentence: what was wrong, where, and what to
do. The command line prints it without a traceback and exits with code 2. Anything else that is raised is a bug.
"""

import numbers
from dataclasses import fields
from typing import Any


class ForageError(Exception):
    """A mistake in the input, explained. `str(error)` is the sentence that the user reads."""


class DiskFull(ForageError):
    """There was no room for what had to be written; what was there before is intact."""


def check_numbers(part: Any) -> None:
    """Raises ForageError where a field of a dataclass that is declared as int or float holds something else."""
    for field in fields(part):
        if field.type in (int, float):
            check_number(field.name, getattr(part, field.name), whole=field.type is int)


def check_number(name: str, value: object, *, whole: bool) -> None:
    """Raises ForageError where `value` is no number, or none without a fraction where it is to be `whole`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if whole else numbers.Real):
        raise ForageError(f"{name} is a {'whole ' if whole else ''}number, not {value!r}.")

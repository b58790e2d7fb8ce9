"""Which versions of a trainer an adapter was written for: outside of them it refuses to guess."""

import importlib.metadata
import inspect
import re
from collections.abc import Mapping

from forage.core.errors import ForageError


def require_version(package: str, least: tuple[int, int], below: tuple[int, int]) -> str:
    """The installed version of `package`, which lies in `least` <= version < `below` (major, minor).

    Raises ForageError, naming the window, where it does not or where the package is missing.
    """
    window = f"{package} >= {least[0]}.{least[1]}, < {below[0]}.{below[1]}"
    try:
        installed = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ForageError(f"{package} is not installed here. This adapter is for {window}.") from None
    numbers = re.match(r"(\d+)\.(\d+)", installed)
    if numbers is None or not least <= (int(numbers[1]), int(numbers[2])) < below:
        raise ForageError(
            f"This adapter is for {window}, and {installed} is installed. Trainers change what their hooks mean from "
            f"one minor version to the next, so nothing is tried: install {window}."
        )
    return installed


def require_methods(kind: type, called: Mapping[str, tuple[str, ...]]) -> None:
    """Raises ForageError where the class lacks a method that an adapter overrides, or has it with other parameters."""
    for name, wanted in called.items():
        method = getattr(kind, name, None)
        names = tuple(inspect.signature(method).parameters)[: len(wanted)] if callable(method) else None
        if names != wanted:
            raise ForageError(
                f"{kind.__name__} is not the trainer that this adapter knows: {name} has the parameters "
                f"{', '.join(names) if names else 'of a method that is not there'}, not {', '.join(wanted)}."
            )

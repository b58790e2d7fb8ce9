"""A command whose first word names a part of the work: `forage prm label ...`, `forage grams mine ...`."""

import inspect
from collections.abc import Callable, Mapping, Sequence

import tyro

from forage.core.errors import ForageError


def run_subcommand(name: str, parts: Mapping[str, Callable[..., None]], argv: Sequence[str]) -> int:
    """Runs the part that `argv` begins with; returns 0. Raises ForageError, naming all parts, where it names none."""
    if argv and argv[0] in parts:
        tyro.cli(parts[argv[0]], prog=f"forage {name} {argv[0]}", args=list(argv[1:]))
        return 0
    message = f"usage: forage {name} {'|'.join(parts)} ...; --help after each of them tells more."
    if argv and argv[0] in ("-h", "--help"):
        width = max(map(len, parts))
        summaries = {part: (inspect.getdoc(work) or "").partition("\n")[0] for part, work in parts.items()}
        print("\n".join([message, "", *(f"  {part.ljust(width)}  {said}" for part, said in summaries.items())]))
        return 0
    raise ForageError(f"Which part of the work? {message}")

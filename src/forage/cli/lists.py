"""Lists of numbers as people type them: `--k 1,4,16`."""

import math
from typing import Annotated

from forage.cli.flags import Shown
from forage.core.errors import ForageError

Ks = Annotated[str, Shown("K,K,...")]
Temperatures = Annotated[str, Shown("T,T,...")]


def numbers(text: str, flag: str, *, whole: bool = False) -> list[float]:
    """The numbers in `text`. Raises ForageError, naming the flag, for anything else."""
    try:
        values = [float(int(part)) if whole else float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(math.isfinite(value) for value in values):
        kind = "whole numbers" if whole else "numbers"
        raise ForageError(
            f"{flag} takes {kind} separated by commas, such as {'1,4,16' if whole else '1,0.7'}, not {text!r}."
        )
    return values

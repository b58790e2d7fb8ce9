"""`forage base`: the tiny base model of the toy task."""

from pathlib import Path
from typing import Literal

from forage.base_models.countdown import build_base
from forage.cli.progress import say


def base_command(*, size: Literal["demo", "experiment"] = "demo", seed: int = 0, out: Path | None = None) -> None:
    """Builds the noisy base model that runs on the toy task Countdown start from, or finds it in the cache.

    Example: forage base --size experiment --out models/base

    Args:
        size: How large the task is. demo takes about a minute, experiment (the full task) a few.
        seed: Random seed. It decides the weights and training traces.
        out: Where the result is written. A folder; a cache ($FORAGE_HOME, or ~/.cache/forage) unless given.
    """
    say("Building the base model, unless it is in the cache ...")
    path = build_base(out, size=size, seed=seed)
    say(f"Base model: {path}\nNext: forage eval {path}")


COMMAND = base_command

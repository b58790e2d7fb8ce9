"""`forage base`: the tiny base model of the lab."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console

from forage.base_models.countdown import build_base


def base_command(*, size: Literal["demo", "experiment"] = "demo", seed: int = 0, out: Path | None = None) -> None:
    """Builds the noisy base model that the lab's runs start from, or finds the one that was built before.

    Args:
        size: demo (about a minute) or experiment (the full task, a few minutes).
        seed: random seed of its weights and training traces.
        out: folder; a cache ($FORAGE_HOME, or ~/.cache/forage) unless given.
    """
    console = Console(stderr=True)
    console.print("Building the base model, unless it is in the cache ...", highlight=False)
    path = build_base(out, size=size, seed=seed)
    console.print("Base model:", path, highlight=False, soft_wrap=True)
    console.print(f"Next: forage eval {path}", highlight=False, soft_wrap=True)


def run(argv: Sequence[str]) -> int:
    tyro.cli(base_command, prog="forage base", args=argv)
    return 0

"""`forage resume DIR`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from forage.cli.train import follow
from forage.training import open_recipe, resume


def resume_run(directory: Annotated[Path, tyro.conf.Positional], /) -> int:
    """Continues a run from its newest intact checkpoint; the result equals an uninterrupted run, bit for bit.

    Args:
        directory: the run directory.
    """
    recipe = open_recipe(directory)
    return follow(f"resume {recipe.label}", lambda on_step: resume(directory, on_step=on_step), recipe)


def run(argv: Sequence[str]) -> int:
    return tyro.cli(resume_run, prog="forage resume", args=argv)

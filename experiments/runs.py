"""Runs of experiments: begun once, gone on with where an earlier start of the script was cut off."""

import shutil
from pathlib import Path

from forage.training.loop import Outcome, resume, train
from forage.training.recipe import Recipe


def trained(recipe: Recipe, out: Path) -> Outcome:
    """What training becomes in `out`, to its end, however often the script was interrupted before."""
    return resume(out) if out.exists() else train(recipe, out=out)


def drop_checkpoints(run: Path) -> None:
    """Frees what a run takes most room for, once nothing more is asked of its weights."""
    shutil.rmtree(run / "checkpoints", ignore_errors=True)

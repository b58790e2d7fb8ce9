"""`forage resume DIR`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from forage.cli.train import Trackers, follow
from forage.engines.distributed.torchrun import open_group
from forage.training.loop import OnStep, Outcome, open_recipe, resume
from forage.training.tracking import tracking


def resume_run(
    directory: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    parallel: Literal["data", "fsdp"] | None = None,
    track: Trackers = (),
) -> int:
    """Continues a run from its newest intact checkpoint; the result equals an uninterrupted run, bit for bit.

    Another number of processes than before changes the result by rounding only.

    Args:
        directory: the run directory.
        parallel: where the weights lie under torchrun (see `forage train`); as before unless given.
        track: tensorboard or wandb, beside metrics.jsonl; may be given twice.
    """

    def start(on_step: OnStep) -> Outcome:
        return resume(directory, on_step=on_step, parallel=parallel, ranks=ranks)

    with open_group() as ranks:
        recipe = open_recipe(directory)
        with tracking(track if ranks.first else (), directory) as note:
            return follow(f"resume {recipe.label}", start, recipe, note)


def run(argv: Sequence[str]) -> int:
    return tyro.cli(resume_run, prog="forage resume", args=argv)

"""`forage resume DIR`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from forage.cli.train import Trackers, follow
from forage.store.places import check_run
from forage.training.tracking import tracking

if TYPE_CHECKING:
    from forage.training.loop import OnStep, Outcome


def resume_run(
    directory: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    steps: int | None = None,
    parallel: Literal["data", "fsdp"] | None = None,
    quiet: bool = False,
    track: Trackers = (),
) -> int:
    """Continues a run from its newest intact checkpoint; the result equals an uninterrupted run, bit for bit.

    Another number of processes than before changes the result by rounding only.

    Args:
        directory: the run directory.
        steps: end after so many steps in all, later or earlier than the run was begun with; its recipe says so then.
        parallel: where the weights lie under torchrun (see `forage train`); as before unless given.
        quiet: say nothing unless something is wrong.
        track: tensorboard or wandb, beside metrics.jsonl; may be given twice.
    """
    check_run(directory)
    from forage.engines.distributed.torchrun import open_group
    from forage.training.loop import open_recipe, restated, resume

    def start(on_step: "OnStep") -> "Outcome":
        return resume(directory, on_step=on_step, parallel=parallel, ranks=ranks)

    with open_group() as ranks:
        if steps is not None:
            ranks.only_first(lambda: restated(directory, steps))
        recipe = open_recipe(directory)
        with tracking(track if ranks.first else (), directory) as note:
            return follow(f"resume {recipe.label}", start, recipe, directory, note, quiet=quiet)


def run(argv: Sequence[str]) -> int:
    return tyro.cli(resume_run, prog="forage resume", args=argv)

"""`forage resume DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from forage.cli.train import Trackers, follow
from forage.store.places import check_run
from forage.training.tracking import tracking

if TYPE_CHECKING:
    from forage.training.loop import OnStep, Outcome


def resume_command(
    directory: Path,
    /,
    *,
    steps: int | None = None,
    out: Path | None = None,
    parallel: Literal["data", "fsdp"] | None = None,
    quiet: bool = False,
    track: Trackers = (),
) -> int:
    """Continues a run from its newest intact checkpoint; the result equals an uninterrupted run, bit for bit.

    Another number of processes than before changes the result by rounding only.

    Example: forage resume runs/first --steps 200

    Args:
        directory: The run directory.
        steps: Training steps. The run ends after so many in all, later or earlier than it was begun with; its recipe
            says so then.
        out: Where the result is written. A run directory to create: the run is copied there first, and stays as it is;
            it goes on in its own directory unless given.
        parallel: Where the weights lie under torchrun: whole in each process (data) or in shards (fsdp). As before
            unless given.
        quiet: Say nothing unless something is wrong.
        track: Write metrics for tensorboard or wandb too, beside metrics.jsonl. May be given several times.
    """
    check_run(directory)
    from forage.engines.distributed.torchrun import open_group
    from forage.store.run_directory import RunDirectory
    from forage.training.loop import open_recipe, restated, resume

    def start(on_step: "OnStep") -> "Outcome":
        return resume(run, on_step=on_step, parallel=parallel, ranks=ranks)

    with open_group() as ranks:
        run = out or directory
        if out is not None:
            ranks.only_first(lambda: RunDirectory.open(directory).copy_to(out))
        if steps is not None:
            ranks.only_first(lambda: restated(run, steps))
        recipe = open_recipe(run)
        verb = "resume" if RunDirectory.open(run).checkpoints() else "train"  # `forage bench` writes recipes beforehand
        with tracking(track if ranks.first else (), run) as note:
            return follow(f"{verb} {recipe.label}", start, recipe, run, note, quiet=quiet)


COMMAND = resume_command

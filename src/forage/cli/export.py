"""`forage export`: a model folder for other programs, or the rollouts of a run as a data set for other trainers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from forage.store.dataset_folder import Layout, write_dataset
from forage.store.run_directory import RunDirectory
from forage.training.checkpoints import export_checkpoint


def export_command(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    merge: bool = False,
    untie: bool = False,
    dtype: Literal["float32", "bfloat16", "float16"] | None = None,
    trust_remote_code: bool = False,
    rollouts: Layout | None = None,
) -> None:
    """Writes the weights of a checkpoint as an ordinary Hugging Face folder, without what only training needs.

    With --rollouts it writes the responses of a run instead, as a folder that `load_dataset` reads. Step labels
    are written by `forage prm convert` and mined grams are JSON already (`forage grams mine --out`).

    Args:
        checkpoint: a run directory (its newest checkpoint), a checkpoint inside one, or a model folder.
        out: folder to create.
        merge: add an adapter into the weights of its model; without it the adapter is written as it is.
        untie: write a vocabulary head that is tied to the embeddings as weights of its own, as `vllm serve` needs it
            where a run hands its weights over (docs/vllm.md); an adapter is merged.
        dtype: numbers of the weights; those of the run unless given.
        trust_remote_code: run Python code that comes with the model. Read it first.
        rollouts: sft (prompt, completion of right responses) or preference (prompt, chosen, rejected among siblings).
    """
    if rollouts is not None:
        run_directory = RunDirectory.open(checkpoint)
        rows = [row for step in run_directory.rollout_steps() for row in run_directory.rollouts(step)]
        count = write_dataset(rows, rollouts, out)
        Console(stderr=True).print(f"Saved: {out} ({count} rows)", highlight=False, soft_wrap=True)
        return
    made = export_checkpoint(
        checkpoint, out=out, merge=merge, untie=untie, dtype=dtype, trust_remote_code=trust_remote_code
    )
    Console(stderr=True).print(f"Saved: {made}", highlight=False, soft_wrap=True)


def run(argv: Sequence[str]) -> int:
    tyro.cli(export_command, prog="forage export", args=argv)
    return 0

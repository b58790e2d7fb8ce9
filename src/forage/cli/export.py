"""`forage export`: a model folder for other programs, or the rollouts of a run as a data set for other trainers."""

from pathlib import Path
from typing import Literal

from forage.cli.progress import say
from forage.store.dataset_folder import Layout, write_dataset
from forage.store.run_directory import RunDirectory
from forage.training.checkpoints import export_checkpoint


def export_command(
    checkpoint: Path,
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

    Example: forage export runs/first --out models/first --merge

    Args:
        checkpoint: A run directory (its newest checkpoint), a checkpoint inside one, or a model folder.
        out: Where the result is written. A folder to create.
        merge: Add an adapter into the weights of its model. Without it the adapter is written as it is.
        untie: Write a vocabulary head that is tied to the embeddings as weights of its own. `vllm serve` needs it where
            a run hands its weights over (docs/vllm.md); an adapter is merged.
        dtype: Number format of the weights. That of the run unless given.
        trust_remote_code: Run Python code that comes with the model. Read it first.
        rollouts: Write the responses of a run instead. sft: prompt and completion, of right responses; preference:
            prompt, chosen and rejected, among the responses to one problem.
    """
    if rollouts is not None:
        run_directory = RunDirectory.open(checkpoint)
        rows = [row for step in run_directory.rollout_steps() for row in run_directory.rollouts(step)]
        count = write_dataset(rows, rollouts, out)
        say(f"Saved: {out} ({count} rows)")
        return
    made = export_checkpoint(
        checkpoint, out=out, merge=merge, untie=untie, dtype=dtype, trust_remote_code=trust_remote_code
    )
    say(f"Saved: {made}")


COMMAND = export_command

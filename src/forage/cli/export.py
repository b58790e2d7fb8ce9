"""`forage export`: a model folder for other programs, or what a run made as data for other trainers."""

import json
from pathlib import Path
from typing import Literal

from forage.cli.prm import convert_command, read
from forage.cli.progress import say
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.grams.gram_list import load_grams
from forage.reward_models.prm.formats import Format, stepwise_rows
from forage.store.dataset_folder import Layout, write_dataset, write_rows, write_stepwise
from forage.store.run_directory import RunDirectory
from forage.training.checkpoints import export_checkpoint
from forage.training.examples import prompts_of_run
from forage.training.loop import open_recipe
from forage.training.reflections import reflections


def export_command(
    checkpoint: Path,
    /,
    *,
    out: Path,
    merge: bool = False,
    untie: bool = False,
    dtype: Literal["float32", "bfloat16", "float16"] | None = None,
    trust_remote_code: bool = False,
    rollouts: Layout | Literal["stepwise", "reflection"] | None = None,
    reflect: str = "<|reflect|>",
    drop: int = 3,
    alone: float = 0.5,
    step_labels: Format | None = None,
    gram_list: bool = False,
    eta: float = 1.0,
) -> None:
    """Writes the weights of a checkpoint as an ordinary Hugging Face folder, without what only training needs.

    With --rollouts it writes responses instead, as a folder that `load_dataset` reads (TRL, Axolotl); with
    --step-labels step labels, and with --gram-list the strategic grams of a run, each as a file.

    Example: forage export runs/first --out models/first --merge

    Args:
        checkpoint: A run directory (its newest checkpoint), a checkpoint inside one, or a model folder. For
            --step-labels and --rollouts stepwise the labels of `forage prm label`; for --gram-list a run with grams, or
            a list of grams.
        out: Where the result is written. A folder or file to create.
        merge: Add an adapter into the weights of its model. Without it the adapter is written as it is.
        untie: Write a vocabulary head that is tied to the embeddings as weights of its own. `vllm serve` needs it where
            a run hands its weights over (docs/vllm.md); an adapter is merged.
        dtype: Number format of the weights. That of the run unless given.
        trust_remote_code: Run Python code that comes with the model. Read it first.
        rollouts: Write the responses of a run instead. sft: prompt and completion, of right responses; preference:
            prompt, chosen and rejected, among the responses to one problem; stepwise: prompt, completions and labels,
            of labeled solutions; reflection: prompt and completion, a wrong response that is cut back, --reflect and a
            right sibling (format tuning: docs/supervised.md).
        reflect: Text between a wrong response and a right one. It asks for another look.
        drop: Steps that a wrong response loses at most.
        alone: Share of right responses that stand alone. The others come behind a wrong one.
        step_labels: Write step labels instead. The format is er-prm, openrlhf, math-shepherd or trl, as `forage prm
            convert` writes them.
        gram_list: Write strategic grams instead. A JSON list of {"gram", "cluster"}.
        eta: How counts become labels. 0 is the share that is right, inf whether any is, others lie between (ER-PRM).
    """
    if (rollouts is not None) + (step_labels is not None) + gram_list > 1:
        raise ForageError("Give one of --rollouts, --step-labels and --gram-list: each writes something of its own.")
    if step_labels is not None:
        convert_command(checkpoint, to=step_labels, out=out, eta=eta)
        return
    if gram_list:
        count = _write_grams(checkpoint, out)
        say(f"Saved: {out} ({count} grams)")
        return
    if rollouts is not None:
        if rollouts == "stepwise":
            count = write_stepwise(stepwise_rows(read(checkpoint, eta).solutions), out)
        else:
            count = _write_rollouts(checkpoint, rollouts, out, reflect, drop, alone)
        say(f"Saved: {out} ({count} rows)")
        return
    made = export_checkpoint(
        checkpoint, out=out, merge=merge, untie=untie, dtype=dtype, trust_remote_code=trust_remote_code
    )
    say(f"Saved: {made}")


def _write_rollouts(
    source: Path, layout: Layout | Literal["reflection"], out: Path, reflect: str, drop: int, alone: float
) -> int:
    run_directory, prompts = RunDirectory.open(source), prompts_of_run(source)
    rows = [row for step in run_directory.rollout_steps() for row in run_directory.rollouts(step)]
    if layout != "reflection":
        return write_dataset(rows, layout, out, prompts=prompts)
    made = reflections(rows, open_recipe(source).task, reflect=reflect, drop=drop, alone=alone)
    if not made:
        raise ForageError(
            "There is nothing to write as reflection: no group that the run kept holds a right and a wrong response. "
            "Train it with more `rollouts_every`."
        )
    return write_rows(made, "sft", out, prompts=prompts)


def _write_grams(source: Path, out: Path) -> int:
    grams = load_grams(str(source / "grams.json" if source.is_dir() else source))
    rows = [{"gram": gram, "cluster": name} for gram, name in zip(grams.grams, grams.bins, strict=True)]
    write_file(out, json.dumps(rows, indent=1, ensure_ascii=False).encode())
    return len(rows)


COMMAND = export_command

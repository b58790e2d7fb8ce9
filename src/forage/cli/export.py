"""`forage export`: a model folder for other programs, or what a run made as data for other trainers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from forage.cli.prm import convert_command, read
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.grams.gram_list import load_grams
from forage.reward_models.prm.formats import Format, stepwise_rows
from forage.store.dataset_folder import Layout, write_dataset, write_stepwise
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
    rollouts: Layout | Literal["stepwise"] | None = None,
    labels: Format | None = None,
    grams: bool = False,
    eta: float = 1.0,
) -> None:
    """Writes the weights of a checkpoint as an ordinary Hugging Face folder, without what only training needs.

    With --rollouts it writes responses instead, as a folder that `load_dataset` reads (TRL, Axolotl); with --labels
    step labels, and with --grams the strategic grams of a run, each as a file.

    Args:
        checkpoint: a run directory (its newest checkpoint), a checkpoint inside one, or a model folder. For --labels
            and --rollouts stepwise the labels of `forage prm label`; for --grams a run with grams, or a gram list.
        out: folder or file to create.
        merge: add an adapter into the weights of its model; without it the adapter is written as it is.
        untie: write a vocabulary head that is tied to the embeddings as weights of its own, as `vllm serve` needs it
            where a run hands its weights over (docs/vllm.md); an adapter is merged.
        dtype: numbers of the weights; those of the run unless given.
        trust_remote_code: run Python code that comes with the model. Read it first.
        rollouts: sft (prompt, completion of right responses), preference (prompt, chosen, rejected among siblings) or
            stepwise (prompt, completions, labels of labeled solutions).
        labels: step labels for er-prm, openrlhf, math-shepherd or trl, as `forage prm convert` writes them.
        grams: write the grams as a JSON list of {"gram", "cluster"}.
        eta: turns the counts of labels into values: 0 is the share that is right, inf whether any is.
    """
    if (rollouts is not None) + (labels is not None) + grams > 1:
        raise ForageError("Give one of --rollouts, --labels and --grams: each writes something of its own.")
    if labels is not None:
        convert_command(checkpoint, to=labels, out=out, eta=eta)
        return
    if grams:
        count = _write_grams(checkpoint, out)
        _say(f"Saved: {out} ({count} grams)")
        return
    if rollouts is not None:
        count = _write_rollouts(checkpoint, rollouts, out, eta)
        _say(f"Saved: {out} ({count} rows)")
        return
    made = export_checkpoint(
        checkpoint, out=out, merge=merge, untie=untie, dtype=dtype, trust_remote_code=trust_remote_code
    )
    _say(f"Saved: {made}")


def _write_rollouts(source: Path, layout: Layout | Literal["stepwise"], out: Path, eta: float) -> int:
    if layout == "stepwise":
        return write_stepwise(stepwise_rows(read(source, eta).solutions), out)
    run_directory = RunDirectory.open(source)
    rows = [row for step in run_directory.rollout_steps() for row in run_directory.rollouts(step)]
    return write_dataset(rows, layout, out)


def _write_grams(source: Path, out: Path) -> int:
    found = load_grams(str(source / "grams.json" if source.is_dir() else source))
    rows = [{"gram": gram, "cluster": name} for gram, name in zip(found.grams, found.bins, strict=True)]
    write_file(out, json.dumps(rows, indent=1, ensure_ascii=False).encode())
    return len(rows)


def _say(sentence: str) -> None:
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True)


def run(argv: Sequence[str]) -> int:
    tyro.cli(export_command, prog="forage export", args=argv)
    return 0

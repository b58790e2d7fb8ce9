"""`forage passk FILE ...`: pass@k with intervals from samples that other tools wrote."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from forage.cli.lists import Ks, numbers
from forage.cli.tables import print_table
from forage.core.errors import ForageError
from forage.evaluation.estimate import check_ks
from forage.evaluation.external import THRESHOLD, SampleColumns
from forage.evaluation.external_evaluation import external_evaluation, passk_table


def passk_command(
    files: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    k: Ks = "1,4,16",
    verdict: str | None = None,
    mode: str | None = None,
    threshold: float = THRESHOLD,
    out: Path | None = None,
    temperature: float = 1.0,
    split: str = "test",
    draws: int = 2000,
    seed: int = 0,
) -> None:
    """Estimates pass@k from samples of TRL, verl, prime-rl, open-instruct, lm-eval, Inspect, or any table of samples.

    Args:
        files: completions_*.parquet (TRL), STEP.jsonl (verl), *.jsonl (prime-rl, open-instruct), samples_*.jsonl
            (lm-eval), *.eval (Inspect), or a table with a prompt, a response and a verdict.
        k: which k, separated by commas.
        verdict: the column that says whether a response is right, where there are several.
        mode: the column that names the answer or the mode of a response.
        threshold: a number in the verdict's column from here up means right.
        out: also write each file as an evaluation below this folder, for `forage compare` and `forage report`.
        temperature: at which the samples were drawn, for --out.
        split: of the problems, for --out.
        draws: bootstrap resamples.
        seed: random seed of the bootstrap.
    """
    if not files:
        raise ForageError("Which files? As in: forage passk completions/completions_00010.parquet")
    ks = [int(value) for value in numbers(k, "--k", whole=True)]
    check_ks(max(ks), ks)
    columns = SampleColumns(verdict=verdict, mode=mode, threshold=threshold)
    print_table(passk_table(files, ks, columns, draws=draws, seed=seed))
    if out is not None:
        for file in files:
            made = external_evaluation(file, columns, temperature=temperature, split=split)
            place = out / file.stem / "evals" / "foreign.json"
            made.save(place)
            Console(stderr=True).print(f"Saved: {place}", highlight=False, soft_wrap=True)


def run(argv: Sequence[str]) -> int:
    tyro.cli(passk_command, prog="forage passk", args=argv)
    return 0

"""`forage passk FILE ...`: pass@k with intervals from samples that other tools wrote."""

from pathlib import Path

from forage.cli.lists import Ks, numbers
from forage.cli.progress import say
from forage.cli.tables import Tables
from forage.core.errors import ForageError
from forage.evaluation.estimate import check_ks
from forage.evaluation.external import THRESHOLD, SampleColumns
from forage.evaluation.external_evaluation import external_evaluation, passk_table


def passk_command(
    files: tuple[Path, ...],
    /,
    *,
    k: Ks = "1,4,16",
    verdict: str | None = None,
    mode: str | None = None,
    json: bool = False,
    out: Path | None = None,
    threshold: float = THRESHOLD,
    temperature: float = 1.0,
    split: str = "test",
    draws: int = 2000,
    seed: int = 0,
) -> None:
    """Estimates pass@k from samples of TRL, verl, prime-rl, open-instruct, lm-eval, Inspect, or any table of samples.

    Example: forage passk completions_00010.parquet --k 1,4,16

    Args:
        files: Files of samples: completions_*.parquet (TRL), STEP.jsonl (verl), *.jsonl (prime-rl, open-instruct),
            samples_*.jsonl (lm-eval), *.eval (Inspect), or a table with a prompt, a response and a verdict.
        k: Numbers of samples k, separated by commas.
        verdict: Column that says whether a response is right, where there are several.
        mode: Column that names the answer or the mode of a response.
        json: Print tables as one JSON object.
        out: Where the result is written. A folder, for an evaluation of each file that
            `forage compare` and `forage report` read; only printed unless given.
        threshold: A number in the verdict's column from here up means right.
        temperature: Sampling temperature. The samples were drawn at it; --out saves it.
        split: Which problems: train or test. --out saves it.
        draws: Bootstrap resamples.
        seed: Random seed. It decides the bootstrap resamples.
    """
    if not files:
        raise ForageError("Which files? As in: forage passk completions/completions_00010.parquet")
    ks = [int(value) for value in numbers(k, "--k", whole=True)]
    check_ks(max(ks), ks)
    columns = SampleColumns(verdict=verdict, mode=mode, threshold=threshold)
    shown = Tables(json=json)
    shown.table("pass@k", passk_table(files, ks, columns, draws=draws, seed=seed))
    shown.finish()
    if out is not None:
        for file in files:
            made = external_evaluation(file, columns, temperature=temperature, split=split)
            place = out / file.stem / "evals" / "external.json"
            made.save(place)
            say(f"Saved: {place}")


COMMAND = passk_command

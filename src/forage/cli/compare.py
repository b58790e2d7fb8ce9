"""`forage compare DIR DIR ...`: differences from the first, paired by problem, with intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from forage.cli.costs import cost_table
from forage.cli.lists import Ks, numbers
from forage.cli.tables import print_confounds, print_estimates, print_notes, print_table
from forage.core.errors import ForageError
from forage.evaluation.collect import latest_evaluations
from forage.evaluation.estimate import check_ks
from forage.evaluation.tables import curve_table, difference_table


def compare_command(
    base: Annotated[Path, tyro.conf.Positional],
    others: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    k: Ks = "1,4,16,64,256",
    temperature: float = 1.0,
    split: str = "test",
    draws: int = 2000,
    seed: int = 0,
) -> None:
    """Compares evaluated runs with a base: a model folder or another run. Seeds of one method pool, the base's own too.

    Args:
        base: what the others are compared with.
        others: run directories or model folders, evaluated with `forage eval`.
        k: which k, separated by commas; those above the number of samples are left out.
        temperature: which evaluations to take.
        split: train or test.
        draws: bootstrap resamples.
        seed: of the bootstrap.
    """
    asked = [int(value) for value in numbers(k, "--k", whole=True)]
    if not others:
        raise ForageError("Compare what? Name at least two directories.")
    first = latest_evaluations([base], temperature=temperature, split=split)
    rest = latest_evaluations([other for other in others if other != base], temperature=temperature, split=split)
    (label,) = first
    if set(rest) - {label}:  # other seeds of the base stand on its side; alone they are compared with it
        first = {label: [*first[label], *rest.pop(label, [])]}
    else:
        rest = {f"{label}, other runs": runs for runs in rest.values()}
    base_runs = first[label]
    smallest = min(run.n for runs in (*first.values(), *rest.values()) for run in runs)
    ks = [value for value in asked if value <= smallest]
    if not ks:
        check_ks(smallest, asked)
    levels = curve_table({**first, **rest}, ks, draws=draws, seed=seed)
    print_estimates(levels)
    print_confounds(levels)
    print(f"Differences from {base_runs[0].label}, paired by problem; bold where the interval leaves out 0:\n")
    differences = difference_table(base_runs, rest, ks, draws=draws, seed=seed)
    print_estimates(differences)
    print_notes(differences)
    groups = {**first, **rest}
    untrained = next((runs for runs in groups.values() if all(run.step is None for run in runs)), base_runs)
    if cost := cost_table([base, *others], untrained, temperature=temperature, split=split, draws=draws, seed=seed):
        print("\nWhat that took, and the gain in pass@1 for it; values are counted with the tokens:\n")
        print_table(cost)


def run(argv: Sequence[str]) -> int:
    tyro.cli(compare_command, prog="forage compare", args=argv)
    return 0

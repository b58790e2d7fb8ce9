"""`forage compare DIR DIR ...`: differences from the first, paired by problem, with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forage.cli.costs import cost_table
from forage.cli.lists import Ks, numbers
from forage.cli.tables import Tables
from forage.core.errors import ForageError
from forage.evaluation.collect import Arm, gather_arms, raw_recipe
from forage.evaluation.diversity import has_modes
from forage.evaluation.diversity_tables import diversity_difference_table, diversity_table
from forage.evaluation.estimate import check_ks
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.settings import check_verifiers, unequal_settings
from forage.evaluation.tables import curve_table, difference_table
from forage.report.load import whole


def compare_command(
    base: Path,
    others: tuple[Path, ...],
    /,
    *,
    k: Ks = "1,4,16,64,256",
    json: bool = False,
    out: Path | None = None,
    temperature: float = 1.0,
    split: str = "test",
    draws: int = 2000,
    seed: int = 0,
) -> None:
    """Compares evaluated runs with a base: a model folder or another run. Runs that differ in the seed only are pooled.

    Evaluations by different verifiers are refused; other differences in how they were made are said first.

    Example: forage compare runs/base runs/first runs/second

    Args:
        base: What the others are compared with.
        others: Run directories or model folders, evaluated with `forage eval`.
        k: Numbers of samples k, separated by commas. Those above the number that was drawn are left out.
        json: Print tables as one JSON object.
        out: Where the result is written. A file; printed unless given.
        temperature: Sampling temperature. Evaluations at another one are left out.
        split: Which problems: train or test.
        draws: Bootstrap resamples.
        seed: Random seed. It decides the bootstrap resamples.
    """
    asked = [int(value) for value in numbers(k, "--k", whole=True)]
    if not others:
        raise ForageError("Compare what? Name at least two directories.")
    arms, notes = gather_arms([base, *others], temperature=temperature, split=split, recipe_of=recipe_of)
    groups, rest = _sides(arms, base)
    check_verifiers(groups)
    notes = (*notes, *unequal_settings(groups))
    base_runs = next(iter(groups.values()))
    smallest = min(run.n for runs in groups.values() for run in runs)
    ks = [value for value in asked if value <= smallest]
    if not ks:
        check_ks(smallest, asked)
    untrained = next((runs for runs in groups.values() if all(run.step is None for run in runs)), base_runs)
    shown = Tables(json=json, out=out)
    shown.notes("settings", notes)
    shown.curves("levels", curve_table(groups, ks, draws=draws, seed=seed))
    shown.say(f"Differences from {base_runs[0].label}, paired by problem; bold where the interval leaves out 0:\n")
    differences = difference_table(base_runs, rest, ks, draws=draws, seed=seed)
    shown.estimates("differences", differences)
    shown.notes("differences", [note for note in differences.notes if note not in notes])
    shown.diversity("diversity", diversity_table(groups, ks, draws=draws, seed=seed))
    if has_modes([run for runs in groups.values() for run in runs]):
        shown.say("Differences in that, PCMD on problems with two right answers in every run of both sides:\n")
        changes = diversity_difference_table(base_runs, rest, ks, draws=draws, seed=seed)
        shown.diversity("diversity differences", changes)
    if cost := cost_table(arms, untrained, draws=draws, seed=seed):
        shown.say("\nWhat that took, and the gain in pass@1 for it; values are counted with the tokens:\n")
        shown.table("costs", cost)
    shown.finish()


def recipe_of(directory: Path) -> Mapping[str, Any] | None:
    """The recipe of a run with today's settings in it, so that a run from before one existed pools with others."""
    raw = raw_recipe(directory)
    return None if raw is None else whole(raw)


def _sides(arms: Sequence[Arm], base: Path) -> tuple[dict[str, Sequence[Evaluation]], dict[str, Sequence[Evaluation]]]:
    """All groups, the base's first, and those that are compared with it.

    Other seeds of the base stand on its side; alone they are compared with it.
    """
    first = next(arm for arm in arms if base in arm.directories)
    rest: dict[str, Sequence[Evaluation]] = {arm.label: arm.runs for arm in arms if arm is not first}
    runs: Sequence[Evaluation] = first.runs
    if not rest:
        place = first.directories.index(base)
        runs, others = [first.runs[place]], [run for at, run in enumerate(first.runs) if at != place]
        if not others:
            raise ForageError("Compare with what? Only one directory is named.")
        rest = {f"{first.label}, other runs": others}
    return {first.label: runs, **rest}, rest


COMMAND = compare_command

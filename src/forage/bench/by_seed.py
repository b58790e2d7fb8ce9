"""Numbers of a few seeds: their mean and spread, and paired differences with intervals of Student's t."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from forage.core.result_table import Cell, ResultTable

T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Two-sided 95% quantiles of Student's t with 1, 2, ... degrees of freedom."""

NORMAL95 = statistics.NormalDist().inv_cdf(0.975)

Numbers = Mapping[tuple[str, int], Mapping[str, float]]
"""What was measured, by arm and seed: name -> number; what is not known is left out."""


def t95(freedom: int) -> float:
    """The two-sided 95% quantile of Student's t, to three places: tabulated for few degrees of freedom, then by the
    expansion in 1/freedom (Abramowitz and Stegun 26.7.5).

    Raises ValueError below one degree of freedom.
    """
    if freedom < 1:
        raise ValueError(f"an interval needs two numbers: {freedom} degrees of freedom")
    if freedom <= len(T95):
        return T95[freedom - 1]
    z = NORMAL95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom ** (place + 1) for place, term in enumerate(terms))


def t_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): the 95% interval of the mean of a few independent numbers, two at least.

    Raises ValueError for fewer.
    """
    middle, half = statistics.fmean(values), t95(len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return middle, middle - half, middle + half


def level_table(numbers: Numbers, names: Sequence[str]) -> ResultTable:
    """A row for each arm: the means over its seeds, ± the standard deviation where there are several."""
    rows = []
    for arm in dict.fromkeys(arm for arm, _ in numbers):
        mine = [row for (name, _), row in numbers.items() if name == arm]
        cells = [_level([row[name] for row in mine if name in row]) for name in names]
        rows.append((Cell(arm), *cells, Cell(str(len(mine)), len(mine))))
    return ResultTable(("arm", *names, "seeds"), tuple(rows), ("Means over seeds, ± their standard deviation.",))


def gap_table(numbers: Numbers, pairs: Iterable[tuple[str, str]], names: Sequence[str]) -> ResultTable:
    """A row for each pair: one arm minus the other, paired by the seeds that both have, with 95% t-intervals."""
    rows = []
    for arm, other in pairs:
        seeds = [seed for name, seed in numbers if name == arm and (other, seed) in numbers]
        both = [(numbers[arm, seed], numbers[other, seed]) for seed in seeds]
        gaps = [
            [mine[name] - theirs[name] for mine, theirs in both if name in mine and name in theirs] for name in names
        ]
        if seeds:
            rows.append((Cell(f"{arm} minus {other}"), *map(_gap, gaps), Cell(str(len(seeds)), len(seeds))))
    note = "Paired by seed, with 95% intervals of Student's t; bold where the interval leaves out 0."
    return ResultTable(("difference", *names, "seeds"), tuple(rows), (note,))


def _level(values: Sequence[float]) -> Cell:
    if not values:
        return Cell("n/a")
    spread = f" (±{statistics.stdev(values):.3f})" if len(values) > 1 else ""
    return Cell(f"{statistics.fmean(values):.3f}{spread}", statistics.fmean(values))


def _gap(differences: Sequence[float]) -> Cell:
    if not differences:
        return Cell("n/a")
    if len(differences) == 1:
        return Cell(f"{differences[0]:+.3f}", differences[0])
    middle, low, high = t_interval(differences)
    return Cell(f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]", middle, low, high, marked=low > 0 or high < 0)

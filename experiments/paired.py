"""What experiments print of a few seeds: a mean with its spread, and a paired difference with its interval."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from forage.bench.by_seed import Numbers, t_interval


def mean(values: Sequence[float]) -> str:
    """The mean, ± the standard deviation where there are several; nothing of nothing."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}" if values else ""


def interval(differences: Sequence[float]) -> str:
    """The mean of one difference per seed, and its 95% t-interval where there are several."""
    if len(differences) == 1:
        return f"{differences[0]:+.3f}"
    middle, low, high = t_interval(differences)
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"


def tables(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    pairs: Iterable[tuple[str, str]],
    *,
    arms: Iterable[str] = (),
    compared: Sequence[str] = (),
) -> str:
    """Means of rows (arm, seed, values) by arm, and paired differences of `compared`, all columns unless given.

    The order is that of `arms`, or that in which they were run.
    """
    lines = [f"| arm | {' | '.join(columns)} | seeds |", "|---" * (len(columns) + 2) + "|"]
    for arm in arms or dict.fromkeys(row["arm"] for row in rows):
        mine = [row["values"] for row in rows if row["arm"] == arm]
        cells = [mean([each[name] for each in mine if name in each]) for name in columns]
        lines += [f"| {arm} | {' | '.join(cells)} | {len(mine)} |"] if mine else []
    numbers = {(row["arm"], row["seed"]): row["values"] for row in rows}
    return "\n".join([*lines, "", differences(numbers, pairs, compared or columns)])


def differences(numbers: Numbers, pairs: Iterable[tuple[str, str]], names: Sequence[str], *, base: str = "base") -> str:
    """A table of paired differences: one arm minus another, over the seeds of both. One base may stand for all."""
    lines = [f"| difference | {' | '.join(names)} | seeds |", "|---" * (len(names) + 2) + "|"]
    bases = {seed: row for (arm, seed), row in numbers.items() if arm == base}
    for one, other in pairs:
        found: list[tuple[Mapping[str, float], Mapping[str, float]]] = []
        for (arm, seed), row in numbers.items():
            against = numbers.get((other, seed)) or (next(iter(bases.values()), None) if other == base else None)
            if arm == one and against is not None:
                found.append((row, against))
        if found:
            known = [name for name in names if all(name in mine and name in theirs for mine, theirs in found)]
            gaps = {name: interval([mine[name] - theirs[name] for mine, theirs in found]) for name in known}
            lines.append(f"| {one} minus {other} | {' | '.join(gaps.get(name, '') for name in names)} | {len(found)} |")
    return "\n".join(lines)

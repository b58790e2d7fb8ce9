"""What experiments print of a few seeds: a mean with its spread, and a paired difference with its interval."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Two-sided 95% quantiles of Student's t with 1, 2, ... degrees of freedom."""


def mean(values: Sequence[float]) -> str:
    """The mean, ± the standard deviation where there are several; nothing of nothing."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}" if values else ""


def interval(differences: Sequence[float]) -> str:
    """The mean of one difference per seed, and its 95% t-interval where there are 2 to 10 of them."""
    found = f"{statistics.fmean(differences):+.3f}"
    if not 2 <= len(differences) <= len(T95) + 1:
        return found
    half = T95[len(differences) - 2] * statistics.stdev(differences) / len(differences) ** 0.5
    return f"{found} [{statistics.fmean(differences) - half:+.3f}, {statistics.fmean(differences) + half:+.3f}]"


Numbers = Mapping[tuple[str, int], Mapping[str, float]]
"""What was measured, by arm and seed. One base may stand for all seeds."""


def differences(numbers: Numbers, pairs: Iterable[tuple[str, str]], names: Sequence[str], *, base: str = "base") -> str:
    """A table of paired differences: one arm minus another, over the seeds that both have."""
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

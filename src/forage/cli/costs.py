"""What runs cost, in sampled tokens and minutes, beside what they gained: a table for `forage compare`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forage.core.result_table import Cell, ResultTable
from forage.evaluation.collect import Arm
from forage.evaluation.compare import compare
from forage.evaluation.evaluation import Evaluation
from forage.ops.resampling import Interval
from forage.store.run_directory import RunDirectory

LEAST_TOKENS, LEAST_MINUTES = 0.05, 1.0
"""Million tokens, and minutes, below which nothing is divided by them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run had taken when it was evaluated. Tokens are all that were sampled, those that values took included."""

    evaluation: Evaluation
    tokens: float
    minutes: float


def cost_table(arms: Sequence[Arm], base: Sequence[Evaluation], *, draws: int, seed: int) -> ResultTable | None:
    """One row per method but the base's: its runs' mean cost, and the gain in pass@1 for a million tokens and an hour.

    Gains are means of a method over its mean cost; their intervals are those of the difference. None where no directory
    is a run that wrote its tokens down.
    """
    rows = []
    for arm in arms:
        costs = [cost for pair in zip(arm.directories, arm.runs, strict=True) if (cost := run_cost(*pair)) is not None]
        if not costs or arm.label == base[0].label:
            continue
        change = compare(base, [cost.evaluation for cost in costs], ks=(1,), draws=draws, seed=seed).difference[0]
        tokens = sum(cost.tokens for cost in costs) / len(costs) / 1e6
        minutes = sum(cost.minutes for cost in costs) / len(costs)
        gains = (_gain(change, tokens, LEAST_TOKENS), _gain(change, minutes / 60, LEAST_MINUTES / 60))
        shown = f"{tokens:.2f}" if tokens >= LEAST_TOKENS else f"below {LEAST_TOKENS:g}"
        rows.append((Cell(arm.label), Cell(shown, tokens), Cell(f"{minutes:.1f}", minutes), *gains))
    if not rows:
        return None
    over = f"Gains are points of pass@1 over {base[0].label}; where next to nothing was spent, none is given."
    notes = (f"{over} Minutes depend on the machine and on what else it did.",)
    columns = ("policy", "million tokens", "minutes", "points per million tokens", "points per hour")
    return ResultTable(columns, tuple(rows), notes)


def run_cost(directory: Path, evaluation: Evaluation) -> Cost | None:
    """None for a model folder, and for a run whose metrics do not say what it sampled."""
    if not (directory / "recipe.json").exists():
        return None
    metrics = RunDirectory.open(directory).metrics()
    rows = [row for row in metrics if evaluation.step is None or row["step"] <= evaluation.step]
    if not rows or not rows[-1].get("tokens"):
        return None
    return Cost(evaluation, rows[-1]["tokens"], sum(row.get("seconds", 0.0) for row in rows) / 60)


def _gain(change: Interval, cost: float, least: float) -> Cell:
    """A rate over next to nothing would be a large number that means nothing."""
    if cost < least:
        return Cell("")
    estimate, low, high = (100 * value / cost for value in (change.estimate, change.low, change.high))
    return Cell(f"{estimate:+.2f} [{low:+.2f}, {high:+.2f}]", estimate, low, high, change.distinguishable)

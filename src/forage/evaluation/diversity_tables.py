"""How many ways each policy still knows, as rows: what stands beside the tables of pass@k."""

from collections.abc import Sequence

from forage.core.result_table import Cell, ResultTable
from forage.evaluation.bootstrap import DRAWS
from forage.evaluation.diversity import compare_diversity, measure_diversity
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.tables import Runs, difference_cell, level_cell

NOT_APPLICABLE = Cell("n/a")

NO_MODES = (
    "distinct@k and PCMD are n/a for {}: the task names no modes, ways of being right, or the evaluation was made "
    "before they were counted."
)


def diversity_table(groups: Runs, ks: Sequence[int], *, draws: int = DRAWS, seed: int = 0) -> ResultTable:
    """One row per group: PCMD and the problems it is measured on, then distinct@k, its surplus over pass@k, and the
    modes among k right answers, with intervals."""
    columns = ("policy", "PCMD", "eligible", *_columns(ks), *(f"in {k} right" for k in ks if k > 1))
    rows: list[tuple[Cell, ...]] = []
    without: list[str] = []
    for label, runs in groups.items():
        measured = measure_diversity(runs, ks, draws=draws, seed=seed)
        if measured is None:
            without.append(label)
            rows.append((Cell(label), *(NOT_APPLICABLE for _ in columns[1:])))
            continue
        in_right = [level for k, level in zip(ks, measured.in_right, strict=True) if k > 1]
        rows.append(
            (
                Cell(label),
                level_cell(measured.pcmd),
                Cell(str(measured.eligible), measured.eligible),
                *map(level_cell, (*measured.distinct, *measured.extra, *in_right)),
            )
        )
    return ResultTable(columns, tuple(rows), _notes(without))


def diversity_difference_table(
    base: Sequence[Evaluation], others: Runs, ks: Sequence[int], *, draws: int = DRAWS, seed: int = 0
) -> ResultTable:
    """One row per group: differences from the base, paired by problem; PCMD on the problems eligible on both sides."""
    columns = ("policy", "eligible", "PCMD of the base", "PCMD", "PCMD difference", *_columns(ks))
    rows: list[tuple[Cell, ...]] = []
    without: list[str] = []
    for label, runs in others.items():
        compared = compare_diversity(base, runs, ks, draws=draws, seed=seed)
        if compared is None:
            without.append(label)
            rows.append((Cell(label), *(NOT_APPLICABLE for _ in columns[1:])))
            continue
        rows.append(
            (
                Cell(label),
                Cell(str(compared.eligible), compared.eligible),
                level_cell(compared.base_pcmd),
                level_cell(compared.other_pcmd),
                *(difference_cell(difference) for difference in (compared.pcmd, *compared.distinct, *compared.extra)),
            )
        )
    return ResultTable(columns, tuple(rows), _notes(without))


def _columns(ks: Sequence[int]) -> tuple[str, ...]:
    return (*(f"distinct@{k}" for k in ks), *(f"extra@{k}" for k in ks))


def _notes(without: Sequence[str]) -> tuple[str, ...]:
    return (NO_MODES.format(", ".join(without)),) if without else ()

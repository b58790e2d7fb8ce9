"""Did it help? Pass@k with intervals over problems and seeds, paired comparisons, and the samples behind them."""

from forage.evals.bootstrap import Interval
from forage.evals.compare import Comparison, Crossover, compare, match_pass_at_1, pool_runs
from forage.evals.estimate import (
    check_ks,
    majority_by_problem,
    pass_by_problem,
    pass_curve,
    small_sample_warning,
    summarise,
)
from forage.evals.evaluation import Evaluation, ProblemOutcome
from forage.evals.tables import Cell, Table, curve_table, difference_table

__all__ = [
    "Cell",
    "Comparison",
    "Crossover",
    "Evaluation",
    "Interval",
    "ProblemOutcome",
    "Table",
    "check_ks",
    "compare",
    "curve_table",
    "difference_table",
    "majority_by_problem",
    "match_pass_at_1",
    "pass_by_problem",
    "pass_curve",
    "pool_runs",
    "small_sample_warning",
    "summarise",
]

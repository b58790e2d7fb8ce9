"""Did it help? Pass@k with intervals over problems and seeds, paired comparisons, and the samples behind them."""

from forage.core.result_table import Cell, ResultTable
from forage.evaluation.bootstrap import Interval
from forage.evaluation.compare import Comparison, Crossover, compare, match_pass_at_1, pool_runs
from forage.evaluation.estimate import (
    check_ks,
    majority_by_problem,
    pass_by_problem,
    pass_curve,
    small_sample_warning,
    summarize,
)
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.evaluation.tables import curve_table, difference_table

__all__ = [
    "Cell",
    "Comparison",
    "Crossover",
    "Evaluation",
    "Interval",
    "ProblemOutcome",
    "ResultTable",
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
    "summarize",
]

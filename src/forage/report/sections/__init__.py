"""The sections of the page, in order. To add one: a file here with `section(runs)`, and a line in this list."""

from collections.abc import Callable

from forage.report.blocks import Section
from forage.report.load import Runs
from forage.report.sections import (
    comparison,
    cost,
    pass_at_k,
    process,
    provenance,
    replay,
    responses,
    strategy,
    summary,
    training,
    uncertainty,
    ways,
)

SECTIONS: tuple[Callable[[Runs], Section | None], ...] = (
    summary.section,
    pass_at_k.section,
    ways.section,
    comparison.section,
    cost.section,
    training.section,
    strategy.section,
    uncertainty.section,
    replay.section,
    process.section,
    responses.section,
    provenance.section,
)

"""One offline HTML page about runs and their base: what they solve, how they trained, and what they write.

A section is one file in `sections/` with a function `section(runs) -> Section | None` and one line in `SECTIONS`.
"""

from forage.report.page import build_report

__all__ = ["build_report"]

"""Every analysis of exploration for one run, as one record."""

from forage.analysis.analyse import Grams, analyse
from forage.analysis.records import FILE, Analysis

__all__ = ["FILE", "Analysis", "Grams", "analyse"]

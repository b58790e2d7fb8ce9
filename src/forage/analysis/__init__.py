"""Every analysis of exploration for one run, as one record."""

from forage.analysis.analyze import Grams, analyze
from forage.analysis.record import FILE, Analysis

__all__ = ["FILE", "Analysis", "Grams", "analyze"]

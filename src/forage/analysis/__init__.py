"""Every analysis of exploration for one run, as one record."""

from forage.analysis.analyze import Grams, analyze
from forage.analysis.record import FILE, Analysis, analysis_file

__all__ = ["FILE", "Analysis", "Grams", "analysis_file", "analyze"]

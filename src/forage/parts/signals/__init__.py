"""What can be seen per token? Signals are computed once per step, and only those that a recipe needs."""

from forage.parts.signals.catalogue import SIGNALS, measure, signal_metrics

__all__ = ["SIGNALS", "measure", "signal_metrics"]

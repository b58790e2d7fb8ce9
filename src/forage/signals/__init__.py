"""What can be seen per token? Signals are computed once per step, and only those that a recipe needs."""

from forage.signals.catalogue import SIGNALS, measure, seen_by

__all__ = ["SIGNALS", "measure", "seen_by"]

"""What can be seen per token? Signals are computed once per step, and only those that a recipe needs."""

from forage.signals.catalogue import SIGNALS, measure

__all__ = ["SIGNALS", "measure"]

"""What do we keep and meet again? The only parts with state."""

from forage.memory.cut_back import CutBack
from forage.memory.retrospective import ReplaySchedule, RetrospectiveReplay
from forage.memory.shuffled import ShuffledProblems

__all__ = ["CutBack", "ReplaySchedule", "RetrospectiveReplay", "ShuffledProblems"]

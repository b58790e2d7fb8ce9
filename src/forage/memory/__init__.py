"""What do we keep and meet again? The only parts with state."""

from forage.memory.cut_back import CutBack
from forage.memory.replay_schedule import ReplaySchedule
from forage.memory.retrospective import RetrospectiveReplay
from forage.memory.shuffled import ShuffledProblems

__all__ = ["CutBack", "ReplaySchedule", "RetrospectiveReplay", "ShuffledProblems"]

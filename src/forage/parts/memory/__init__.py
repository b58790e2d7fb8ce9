"""What do we keep and meet again? The only parts with state."""

from forage.parts.memory.base_samples import BaseSamples
from forage.parts.memory.cut_back import CutBack
from forage.parts.memory.replay_schedule import ReplaySchedule
from forage.parts.memory.retrospective import RetrospectiveReplay
from forage.parts.memory.shuffled import ShuffledProblems
from forage.parts.memory.successes import SuccessReplay
from forage.parts.memory.verified_modes import VerifiedModes

__all__ = [
    "BaseSamples",
    "CutBack",
    "ReplaySchedule",
    "RetrospectiveReplay",
    "ShuffledProblems",
    "SuccessReplay",
    "VerifiedModes",
]

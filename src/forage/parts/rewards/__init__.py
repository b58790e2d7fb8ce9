"""What was it worth, beyond the verifier?"""

from forage.parts.rewards.overlong import Overlong
from forage.parts.rewards.restart_bonus import RestartBonus

__all__ = ["Overlong", "RestartBonus"]

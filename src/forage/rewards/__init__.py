"""What was it worth, beyond the verifier?"""

from forage.rewards.overlong import Overlong
from forage.rewards.restart_bonus import RestartBonus

__all__ = ["Overlong", "RestartBonus"]

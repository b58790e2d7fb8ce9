"""What was it worth, beyond the verifier?"""

from forage.parts.rewards.mode_diversity import ModeDiversity
from forage.parts.rewards.overlong import Overlong
from forage.parts.rewards.restart_bonus import RestartBonus
from forage.parts.rewards.search_stages import SearchAnswers, SearchCalls
from forage.parts.rewards.step_reward import StepReward
from forage.parts.rewards.unlikeliness import Unlikeliness

__all__ = ["ModeDiversity", "Overlong", "RestartBonus", "SearchAnswers", "SearchCalls", "StepReward", "Unlikeliness"]

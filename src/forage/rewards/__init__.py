"""What was it worth, beyond the verifier?"""

from forage.rewards.overlong import Overlong

__all__ = ["Overlong"]

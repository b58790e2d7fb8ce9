"""What shall we try? Starts become siblings."""

from forage.explore.plain import PlainSampling
from forage.explore.rollouts import to_rollout

__all__ = ["PlainSampling", "to_rollout"]

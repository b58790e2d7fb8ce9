"""What shall we try? Starts become siblings."""

from forage.parts.explore.plain import PlainSampling
from forage.parts.explore.rollouts import to_rollout

__all__ = ["PlainSampling", "to_rollout"]

"""Unlikeliness rewards: right responses that the policy found unlikely are worth more (arXiv 2506.02355)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_reward
from forage.parts.rewards.unlikeliness import Unlikeliness
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2506.02355")
def unlikeliness(recipe: Recipe, *, beta: float = 0.25) -> Recipe:
    """Takes up to beta from right responses by how likely they were among their siblings; needs no modes.

    The paper trains with two epochs per batch and a KL penalty of 0.1; neither is set here.
    """
    return add_reward(recipe, Unlikeliness(beta=beta))

"""The placebo of unlikeliness rewards: random ranks."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.unlikeliness import unlikeliness
from forage.parts.rewards.unlikeliness import Unlikeliness
from forage.training.recipe import Recipe


@variant(unlikeliness, kind="control", seam="Reward", paper="control of arXiv 2506.02355")
def unlikeliness_random(recipe: Recipe) -> Recipe:
    """The ranks are dealt anew among the right siblings: as much is taken, from others."""
    *before, reward = recipe.rewards
    assert isinstance(reward, Unlikeliness)
    return replace(recipe, rewards=(*before, replace(reward, permuted=True)))

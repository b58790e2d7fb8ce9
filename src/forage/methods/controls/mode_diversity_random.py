"""The placebo of mode diversity: the same weights on other right responses."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.mode_diversity import mode_diversity
from forage.parts.rewards.mode_diversity import ModeDiversity
from forage.training.recipe import Recipe


@variant(mode_diversity, kind="control", seam="Reward", paper="control of arXiv 2601.21669")
def mode_diversity_random(recipe: Recipe) -> Recipe:
    """The modes are dealt anew among the right siblings: the same partition, with random members."""
    *before, reward = recipe.rewards
    assert isinstance(reward, ModeDiversity)
    return replace(recipe, rewards=(*before, replace(reward, permuted=True)))

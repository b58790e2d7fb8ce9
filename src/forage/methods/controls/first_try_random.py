"""The placebo of bonuses for first tries: as many, at turns drawn at random."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.first_try_bonus import first_try_bonus
from forage.parts.rewards.first_try import FirstTry
from forage.training.recipe import Recipe


@variant(first_try_bonus, kind="control", seam="Reward, Assign", paper="control of arXiv 2504.16078")
def first_try_random(recipe: Recipe) -> Recipe:
    """Each episode gets as many bonuses as it has first tries, at turns of its own drawn at random."""
    *before, reward = recipe.rewards
    assert isinstance(reward, FirstTry)
    return replace(recipe, rewards=(*before, replace(reward, anywhere=True)))

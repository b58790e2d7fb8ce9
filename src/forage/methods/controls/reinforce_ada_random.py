"""The control of Reinforce-Ada: as many further rounds, given to problems at random."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.reinforce_ada import reinforce_ada
from forage.parts.explore.adaptive_rounds import AdaptiveRounds
from forage.training.recipe import Recipe


@variant(reinforce_ada, kind="control", seam="Explore, Shape", paper="control of arXiv 2510.04996")
def reinforce_ada_random(recipe: Recipe) -> Recipe:
    """Each round has as many problems as lack a right or a wrong response, drawn at random from all."""
    assert isinstance(recipe.explore, AdaptiveRounds)
    return replace(recipe, explore=replace(recipe.explore, spend="random"))

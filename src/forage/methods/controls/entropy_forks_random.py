"""The control of forks by entropy: as many of each response, at any of its steps."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.entropy_forks import entropy_forks
from forage.parts.explore.entropy_forks import EntropyForks
from forage.training.recipe import Recipe


@variant(entropy_forks, kind="control", seam="Explore", paper="control of arXiv 2507.19849")
def entropy_forks_random(recipe: Recipe) -> Recipe:
    """As many forks of each response, at ends of steps drawn at random."""
    assert isinstance(recipe.explore, EntropyForks)
    return replace(recipe, explore=replace(recipe.explore, places="random"))

"""The placebo of retrospective replay: the same responses, cut anywhere."""

from forage.methods.catalogue import variant
from forage.methods.exploration.rrl import rrl, vary_replay
from forage.training.recipe import Recipe


@variant(rrl, kind="control", seam="Memory", paper="control for arXiv 2504.14363")
def rrl_random_cuts(recipe: Recipe) -> Recipe:
    """Retrospective replay of the same failures for the same tokens, but from a random step end instead of the best."""
    return vary_replay(recipe, cut="random")

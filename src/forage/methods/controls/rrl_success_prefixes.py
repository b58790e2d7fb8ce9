"""Retrospective replay of successes instead of failures."""

from forage.methods.catalogue import variant
from forage.methods.exploration.rrl import rrl, vary_replay
from forage.training.recipe import Recipe


@variant(rrl, kind="control", seam="Memory", paper="control for arXiv 2504.14363")
def rrl_success_prefixes(recipe: Recipe) -> Recipe:
    """Retrospective replay that cuts back right responses instead of wrong ones, chosen and valued alike."""
    return vary_replay(recipe, responses="right")

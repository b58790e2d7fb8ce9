"""Mode replay with one mode of a problem."""

from forage.methods.catalogue import variant
from forage.methods.exploration.mode_replay import mode_replay, vary_modes
from forage.training.recipe import Recipe


@variant(mode_replay, kind="control", seam="Memory, Loss", paper="control of ModeBench 2026", without=("slots",))
def mode_replay_single(recipe: Recipe) -> Recipe:
    """Only the first right response to a problem is kept: the same strength, all on one mode."""
    return vary_modes(recipe, slots=1)

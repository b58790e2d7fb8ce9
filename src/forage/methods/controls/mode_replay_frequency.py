"""Mode replay that restores signal and no balance."""

from forage.methods.catalogue import variant
from forage.methods.exploration.mode_replay import mode_replay, vary_modes
from forage.training.recipe import Recipe


@variant(mode_replay, kind="control", seam="Memory, Loss", paper="control of ModeBench 2026", without=("shares",))
def mode_replay_frequency(recipe: Recipe) -> Recipe:
    """The same responses, weighted by how often each mode was met: for free logits a multiple of the plain gradient."""
    return vary_modes(recipe, shares="frequency")

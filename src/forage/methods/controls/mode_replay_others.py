"""Mode replay of the wrong problems."""

from forage.methods.catalogue import variant
from forage.methods.exploration.mode_replay import mode_replay, vary_modes
from forage.training.recipe import Recipe


@variant(mode_replay, kind="control", seam="Memory, Loss", paper="control of ModeBench 2026")
def mode_replay_others(recipe: Recipe) -> Recipe:
    """A problem is shown as many responses to other problems, drawn anew in each step: what smoothing alone does."""
    return vary_modes(recipe, others=True)

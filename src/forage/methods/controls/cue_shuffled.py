"""The placebo of cue: the same weights on other siblings."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.cue import cue
from forage.parts.signals.mode_weights import ModeWeight
from forage.training.recipe import Recipe


@variant(cue, kind="control", seam="Shape", paper="control of arXiv 2608.03467")
def cue_shuffled(recipe: Recipe) -> Recipe:
    """The weights are dealt anew among the right siblings, and among the wrong ones."""
    *before, signal = recipe.signals
    assert isinstance(signal, ModeWeight)
    return replace(recipe, signals=(*before, replace(signal, permuted=True)))

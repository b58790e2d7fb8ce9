"""The placebo of uniqueness: the same weights on other siblings."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.uniqueness import uniqueness
from forage.parts.signals.mode_weights import ModeWeight
from forage.training.recipe import Recipe


@variant(uniqueness, kind="control", seam="Shape", paper="control of arXiv 2601.08763")
def uniqueness_shuffled(recipe: Recipe) -> Recipe:
    """The weights are dealt anew among the right siblings, and among the wrong ones."""
    *before, signal = recipe.signals
    assert isinstance(signal, ModeWeight)
    return replace(recipe, signals=(*before, replace(signal, permuted=True)))

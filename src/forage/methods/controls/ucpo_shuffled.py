"""The placebo of ucpo: the same weights on other siblings."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.ucpo import ucpo
from forage.parts.signals.mode_weights import ModeWeight
from forage.training.recipe import Recipe


@variant(ucpo, kind="control", seam="Shape", paper="control of arXiv 2605.00365")
def ucpo_shuffled(recipe: Recipe) -> Recipe:
    """The weights are dealt anew among the right siblings, and among the wrong ones."""
    *before, signal = recipe.signals
    assert isinstance(signal, ModeWeight)
    return replace(recipe, signals=(*before, replace(signal, permuted=True)))

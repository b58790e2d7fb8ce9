"""The placebo of setpo: the same bonuses on other siblings."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.setpo import setpo
from forage.parts.signals.mode_weights import SetBonus
from forage.training.recipe import Recipe


@variant(setpo, kind="control", seam="Shape", paper="control of arXiv 2602.01062")
def setpo_shuffled(recipe: Recipe) -> Recipe:
    """The bonuses are dealt anew among the right siblings, and among the wrong ones."""
    *before, signal = recipe.signals
    assert isinstance(signal, SetBonus)
    return replace(recipe, signals=(*before, replace(signal, permuted=True)))

"""UCPO: credit moved to the right responses that were less likely (arXiv 2605.00365)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_signal
from forage.parts.credit.shape.mode_scale import ModeScale
from forage.parts.signals.mode_weights import ModeWeight
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2605.00365")
def ucpo(recipe: Recipe, *, tau: float = 0.2) -> Recipe:
    """Advantages of right responses by their inverse share of likelihood among the right siblings, mixed in by tau."""
    signal = ModeWeight(rule="ucpo", tau=tau)
    return add_shape(add_signal(recipe, signal), ModeScale())

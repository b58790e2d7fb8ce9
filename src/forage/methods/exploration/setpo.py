"""SetPO: a bonus for what a response adds to the diversity of its group (arXiv 2602.01062)."""

from forage.core.mode_keys import ModeKey
from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_signal, key_task
from forage.parts.credit.shape.mode_scale import SetAddition
from forage.parts.signals.mode_weights import SetBonus
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2602.01062", needs="modes")
def setpo(recipe: Recipe, *, weight: float = 1.0, key: ModeKey = "mode") -> Recipe:
    """Adds weight times the share of differing sibling pairs, minus the same without the response."""
    signal = SetBonus(key=key, task=key_task(recipe, key, "setpo"))
    return add_shape(add_signal(recipe, signal), SetAddition(weight=weight))

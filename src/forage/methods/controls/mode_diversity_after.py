"""A control of mode diversity: the same division, after the mean was taken."""

from forage.core.mode_keys import ModeKey
from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_signal, key_task
from forage.parts.credit.shape.mode_scale import ModeScale
from forage.parts.signals.mode_weights import ModeWeight
from forage.training.recipe import Recipe


@method(kind="control", seam="Shape", paper="control of arXiv 2601.21669", control_of="mode_diversity", needs="modes")
def mode_diversity_after(recipe: Recipe, *, alpha: float = 1.0, key: ModeKey = "mode") -> Recipe:
    """Divides the settled advantage of a right response by the number of siblings in its mode (to the power alpha)."""
    task = key_task(recipe, key, "mode_diversity_after")
    signal = ModeWeight(rule="inverse", alpha=alpha, key=key, task=task)
    return add_shape(add_signal(recipe, signal), ModeScale())

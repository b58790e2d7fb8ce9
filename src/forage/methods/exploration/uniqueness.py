"""Uniqueness weights on settled advantages (arXiv 2601.08763)."""

from forage.core.mode_keys import ModeKey
from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_signal, key_task
from forage.parts.credit.shape.mode_scale import ModeScale
from forage.parts.signals.mode_weights import ModeWeight
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2601.08763", needs="modes")
def uniqueness(recipe: Recipe, *, alpha: float = 1.0, key: ModeKey = "mode") -> Recipe:
    """Advantages times n^-alpha, n the siblings in the same cluster; wrong responses cluster by equal text."""
    task = key_task(recipe, key, "uniqueness")
    signal = ModeWeight(rule="uniqueness", alpha=alpha, key=key, task=task)
    return add_shape(add_signal(recipe, signal), ModeScale())

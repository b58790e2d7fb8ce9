"""Cue-GRPO: credit moved to the rarer right modes, adding up to as much (arXiv 2608.03467)."""

from forage.core.mode_keys import ModeKey
from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_signal, key_task
from forage.parts.credit.shape.mode_scale import ModeScale
from forage.parts.signals.mode_weights import ModeWeight
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2608.03467", needs="modes")
def cue(recipe: Recipe, *, alpha: float = 1.0, key: ModeKey = "mode") -> Recipe:
    """Advantages of right responses times K n^-alpha / sum n^-alpha: more for rare modes, on average as much."""
    task = key_task(recipe, key, "cue")
    signal = ModeWeight(rule="cue", alpha=alpha, key=key, task=task)
    return add_shape(add_signal(recipe, signal), ModeScale())

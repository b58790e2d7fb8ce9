"""An entropy bonus whose coefficient follows a target (Skywork-OR1, arXiv 2505.22312)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_penalty, add_step_signal
from forage.parts.losses.penalty import EntropyTarget
from forage.parts.losses.step_signals import EntropyCoefficient
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Loss", paper="arXiv 2505.22312")
def entropy_target(recipe: Recipe, *, target: float = 0.2, step: float = 1e-4, maximum: float = 0.005) -> Recipe:
    """Raises the coefficient of the entropy by `step` below the target, lowers it above, and pays only below it.

    The coefficient moves once per optimizer step and is saved in checkpoints. The control is `entropy_penalty` with
    the mean of the coefficients that a run applied (the metric `entropy_coefficient`).
    """
    signal = EntropyCoefficient(target=target, step=step, maximum=maximum)
    return add_penalty(add_step_signal(recipe, signal), EntropyTarget())

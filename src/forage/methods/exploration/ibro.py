"""IBRO: an entropy term weighted by the advantage (arXiv 2507.18391)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_penalty
from forage.parts.losses.advantage_entropy import AdvantageEntropy
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Loss", paper="arXiv 2507.18391")
def ibro(recipe: Recipe, *, coefficient: float = 0.005) -> Recipe:
    """Adds coefficient times the mean of A * H to the objective: more entropy on good responses, less on bad ones.

    The gradient flows through the entropy, and not through A: entropy_advantage does the reverse. The published
    coefficient is not known; the default is ours.
    """
    return add_penalty(recipe, AdvantageEntropy(coefficient=coefficient))

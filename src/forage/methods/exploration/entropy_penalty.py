"""Entropy regularization: the classical entropy term in the objective, off unless asked for."""

from forage.methods.catalogue import method
from forage.methods.parts import add_penalty
from forage.parts.losses.penalty import EntropyPenalty
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Loss", paper="Williams and Peng 1991")
def entropy_penalty(recipe: Recipe, *, coefficient: float = 0.001) -> Recipe:
    """Adds coefficient times the mean token entropy to the objective; its gradient flows through the entropy."""
    return add_penalty(recipe, EntropyPenalty(coefficient=coefficient))

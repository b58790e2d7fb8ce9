"""A KL penalty that keeps the policy near the model that training began with (estimators: Schulman 2020)."""

from typing import Literal

from forage.methods.catalogue import method
from forage.methods.parts import add_penalty
from forage.parts.losses.penalty import KLPenalty
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Loss", paper="Schulman 2020", needs="the first policy")
def kl_penalty(recipe: Recipe, *, coefficient: float = 0.001, estimator: Literal["k1", "k2", "k3"] = "k3") -> Recipe:
    """Adds coefficient times the estimated KL divergence to the reference model, mean per token, to the loss."""
    return add_penalty(recipe, KLPenalty(coefficient=coefficient, estimator=estimator))

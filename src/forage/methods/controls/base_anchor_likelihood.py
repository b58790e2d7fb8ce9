"""Supervised learning of what base_anchor only holds on to."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.base_anchor import base_anchor
from forage.parts.losses.demonstrations import BehaviourKL, Likelihood
from forage.training.recipe import Recipe


@variant(base_anchor, kind="control", seam="Memory, Loss", paper="control of arXiv 2509.07430")
def base_anchor_likelihood(recipe: Recipe) -> Recipe:
    """The same answers of the base at the same weight under -log policy: a pull that does not end at the base."""
    (penalty,) = recipe.policy_loss.demonstration_penalties
    assert isinstance(penalty, BehaviourKL)
    likelihood = Likelihood(coefficient=penalty.coefficient)
    return replace(recipe, policy_loss=replace(recipe.policy_loss, demonstration_penalties=(likelihood,)))

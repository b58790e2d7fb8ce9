"""The control of the EM policy gradient: as many passes with the ratio and the clip that it leaves out."""

from dataclasses import replace

from forage.methods.algorithms.em_policy_gradient import em_policy_gradient
from forage.methods.catalogue import variant
from forage.parts.losses.surrogate import PPOClip
from forage.training.recipe import Recipe


@variant(em_policy_gradient, kind="control", seam="Loss", paper="control of arXiv 2504.18587")
def em_clipped(recipe: Recipe) -> Recipe:
    """The same advantages and passes under PPO's clipped ratio."""
    return replace(recipe, policy_loss=replace(recipe.policy_loss, surrogate=PPOClip()))

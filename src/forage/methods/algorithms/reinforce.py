"""REINFORCE: the reward itself as the advantage (Williams 1992)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import Reinforce
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="Williams 1992")
def reinforce(recipe: Recipe) -> Recipe:
    """The plain policy gradient: reward times log-probability, no baseline, no ratio, no clip."""
    return replace(recipe, credit=Credit(), policy_loss=PolicyLoss(surrogate=Reinforce(), reduction=TokenMean()))

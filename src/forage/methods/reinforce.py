"""REINFORCE: the reward itself as the advantage (Williams 1992)."""

from dataclasses import replace

from forage.credit.pipeline import Credit
from forage.losses.policy_loss import PolicyLoss
from forage.losses.reduction import TokenMean
from forage.losses.surrogate import Reinforce
from forage.methods.catalogue import method
from forage.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="Williams 1992")
def reinforce(recipe: Recipe) -> Recipe:
    """The plain policy gradient: reward times log-probability, no baseline, no ratio, no clip."""
    return replace(recipe, credit=Credit(), policy_loss=PolicyLoss(surrogate=Reinforce(), reduction=TokenMean()))

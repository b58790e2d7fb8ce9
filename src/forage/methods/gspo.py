"""GSPO, group sequence policy optimisation (Zheng et al., arXiv 2507.18071)."""

from dataclasses import replace

from forage.losses.policy_loss import PolicyLoss
from forage.losses.reduction import SequenceMean
from forage.losses.surrogate import GSPO
from forage.methods.catalogue import method
from forage.methods.grpo import grpo
from forage.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2507.18071")
def gspo(recipe: Recipe, *, clip_low: float = 3e-4, clip_high: float = 4e-4) -> Recipe:
    """GRPO's advantages with one length-normalised importance ratio per sequence, clipped per sequence."""
    loss = PolicyLoss(surrogate=GSPO(low=clip_low, high=clip_high), reduction=SequenceMean())
    return replace(grpo.function(recipe), policy_loss=loss)

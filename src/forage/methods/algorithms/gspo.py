"""GSPO, group sequence policy optimization (Zheng et al., arXiv 2507.18071)."""

from dataclasses import replace

from forage.methods.algorithms.grpo import grpo
from forage.methods.catalogue import method
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import SequenceMean
from forage.parts.losses.surrogate import GSPO
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2507.18071")
def gspo(recipe: Recipe, *, clip_low: float = 3e-4, clip_high: float = 4e-4) -> Recipe:
    """GRPO's advantages with one length-normalized importance ratio per sequence, clipped per sequence."""
    loss = PolicyLoss(surrogate=GSPO(low=clip_low, high=clip_high), reduction=SequenceMean())
    return replace(grpo.function(recipe), policy_loss=loss)

"""CISPO: clipped importance weights that never stop a gradient (MiniMax-M1, arXiv 2506.13585)."""

from dataclasses import replace

from forage.methods.algorithms.grpo import grpo
from forage.methods.catalogue import method
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import CISPO
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2506.13585")
def cispo(recipe: Recipe, *, clip_low: float = 1.0, clip_high: float = 0.2) -> Recipe:
    """GRPO's advantages with REINFORCE weighted by the detached, clipped ratio, so rare tokens keep their gradient.

    The paper clips from above only (`clip_low=1` is no lower bound); its upper bound is not published.
    """
    loss = PolicyLoss(surrogate=CISPO(low=clip_low, high=clip_high), reduction=TokenMean())
    return replace(grpo.function(recipe), policy_loss=loss)

"""DPPO: a trust region of probabilities instead of ratios (arXiv 2602.04879)."""

from dataclasses import replace

from forage.methods.algorithms.grpo import grpo
from forage.methods.catalogue import method
from forage.ops.trust_regions import Divergence
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.trust_region import DPPO
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2602.04879")
def dppo(recipe: Recipe, *, bound: float = 0.2, divergence: Divergence = "tv") -> Recipe:
    """Drops tokens whose probability moved by more than the bound in the direction of their advantage."""
    loss = PolicyLoss(surrogate=DPPO(bound=bound, divergence=divergence), reduction=TokenMean())
    return replace(grpo.function(recipe), policy_loss=loss)

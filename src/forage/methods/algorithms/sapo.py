"""SAPO: a soft gate instead of a clip (arXiv 2511.20347)."""

from dataclasses import replace

from forage.methods.algorithms.grpo import grpo
from forage.methods.catalogue import method
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import SequenceMean
from forage.parts.losses.trust_region import SAPO
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2511.20347")
def sapo(recipe: Recipe, *, tau_positive: float = 1.0, tau_negative: float = 1.05) -> Recipe:
    """Passes ratios through a sigmoid gate, averaged per sequence; blame is held somewhat tighter than praise."""
    loss = PolicyLoss(surrogate=SAPO(tau_positive=tau_positive, tau_negative=tau_negative), reduction=SequenceMean())
    return replace(grpo.function(recipe), policy_loss=loss)

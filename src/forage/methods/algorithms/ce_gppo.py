"""CE-GPPO: PPO's clip that leaves clipped tokens a bounded gradient (arXiv 2509.20712)."""

from dataclasses import replace

from forage.methods.algorithms.grpo import grpo
from forage.methods.catalogue import method
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.trust_region import CEGPPO
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2509.20712")
def ce_gppo(recipe: Recipe, *, clip: float = 0.2, keep_low: float = 0.75, keep_high: float = 1.0) -> Recipe:
    """Clipped tokens keep a share of their gradient: keep_low of those with A < 0, keep_high of those with A > 0.

    The paper uses keep_low 0.75 for 7B models and 0.5 for 1.5B.
    """
    loss = PolicyLoss(
        surrogate=CEGPPO(low=clip, high=clip, keep_low=keep_low, keep_high=keep_high), reduction=TokenMean()
    )
    return replace(grpo.function(recipe), policy_loss=loss)

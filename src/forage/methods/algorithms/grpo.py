"""GRPO, group relative policy optimization (Shao et al., arXiv 2402.03300)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2402.03300")
def grpo(recipe: Recipe, *, clip_low: float = 0.2, clip_high: float = 0.2) -> Recipe:
    """Rewards standardized within a group, clipped ratios, averaged over all tokens of the batch, no KL term.

    The token mean (not the paper's mean per sequence) is the averaging of arXiv 2506.14758, so both share a base.
    """
    loss = PolicyLoss(surrogate=PPOClip(low=clip_low, high=clip_high), reduction=TokenMean())
    return replace(recipe, credit=Credit(baselines=(MeanCentre(), StdScale())), policy_loss=loss)

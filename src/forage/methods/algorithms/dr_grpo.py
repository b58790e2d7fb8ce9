"""Dr. GRPO: GRPO without its two normalizations (Liu et al., arXiv 2503.20783)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import FixedLength
from forage.parts.losses.surrogate import PPOClip
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline, Loss", paper="arXiv 2503.20783")
def dr_grpo(recipe: Recipe, *, clip: float = 0.2) -> Recipe:
    """Rewards mean-centered only, token losses divided by the constant response limit: no length or difficulty bias."""
    reduction = FixedLength(length=recipe.sampling.max_tokens)
    loss = PolicyLoss(surrogate=PPOClip(low=clip, high=clip), reduction=reduction)
    return replace(recipe, credit=Credit(baselines=(MeanCentre(),)), policy_loss=loss)

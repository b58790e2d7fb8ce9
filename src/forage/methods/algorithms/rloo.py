"""REINFORCE with a leave-one-out baseline (Kool et al. 2019; Ahmadian et al., arXiv 2402.14740)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.parts.credit.baseline.leave_one_out import LeaveOneOut
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2402.14740")
def rloo(recipe: Recipe, *, clip: float = 0.2) -> Recipe:
    """Reward minus the mean reward of the other siblings: an unbiased baseline without a critic."""
    loss = PolicyLoss(surrogate=PPOClip(low=clip, high=clip), reduction=TokenMean())
    return replace(recipe, credit=Credit(baselines=(LeaveOneOut(),)), policy_loss=loss)

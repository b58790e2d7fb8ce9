"""REINFORCE with a leave-one-out baseline (Kool et al. 2019; Ahmadian et al., arXiv 2402.14740)."""

from dataclasses import replace

from forage.credit.baseline.leave_one_out import LeaveOneOut
from forage.credit.pipeline import Credit
from forage.losses.policy_loss import PolicyLoss
from forage.losses.reduction import TokenMean
from forage.losses.surrogate import PPOClip
from forage.methods.catalogue import method
from forage.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2402.14740")
def rloo(recipe: Recipe, *, clip: float = 0.2) -> Recipe:
    """Reward minus the mean reward of the other siblings: an unbiased baseline without a critic."""
    loss = PolicyLoss(surrogate=PPOClip(low=clip, high=clip), reduction=TokenMean())
    return replace(recipe, credit=Credit(baselines=(LeaveOneOut(),)), policy_loss=loss)

"""PPO with a critic (Schulman et al., arXiv 1707.06347), as language models are trained with it."""

from dataclasses import replace

from forage.engines.critic_training import CriticTraining
from forage.methods.catalogue import method
from forage.parts.credit.assign.gae import Gae
from forage.parts.credit.pipeline import Credit
from forage.parts.credit.shape.whiten import Whiten
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip
from forage.parts.losses.value_loss import ValueLoss
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Assign, Shape", paper="arXiv 1707.06347, 1506.02438", needs="a critic")
def ppo(
    recipe: Recipe,
    *,
    gamma: float = 1.0,
    lam: float = 1.0,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    critic_lr_ratio: float = 2.0,
    critic_epochs: int = 1,
    critic_warmup: int = 10,
    value_clip: float = 0.2,
) -> Recipe:
    """Generalized advantages from a learned critic, whitened over the step; clipped ratios, token mean, no KL term.

    The critic is a model of its own, begun as a copy of the policy. Its learning rate is `critic_lr_ratio` times the
    policy's, and for `critic_warmup` steps it learns alone. gamma, lam, ratio and warm-up: as in arXiv 2506.14758.
    """
    optimization = replace(
        recipe.optimization, lr=critic_lr_ratio * recipe.optimization.lr, epochs=critic_epochs, warmup=0
    )
    critic = CriticTraining(
        loss=ValueLoss(clip=value_clip, gamma=gamma, lam=lam), optimization=optimization, warmup=critic_warmup
    )
    loss = PolicyLoss(surrogate=PPOClip(low=clip_low, high=clip_high), reduction=TokenMean())
    credit = Credit(assign=Gae(gamma=gamma, lam=lam), shapes=(Whiten(),))
    return replace(recipe, credit=credit, policy_loss=loss, critic=critic)

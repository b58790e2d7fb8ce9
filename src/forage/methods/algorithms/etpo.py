"""Soft Q-learning of tokens: ETPO (arXiv 2402.06700)."""

from dataclasses import replace

from forage.engines.soft_q_training import SoftQTraining
from forage.methods.catalogue import method
from forage.ops.soft_q import SoftQRule
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import Reinforce
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2402.06700", needs="a critic, the first policy, a toy vocabulary")
def etpo(
    recipe: Recipe,
    *,
    rule: SoftQRule = "published",
    beta: float = 0.1,
    gamma: float = 0.99,
    polyak: float = 0.9,
    critic_lr_ratio: float = 2.0,
    critic_epochs: int = 4,
    critic_warmup: int = 10,
) -> Recipe:
    """Learns the value of every token in every state, near the first policy, and moves the policy to the best.

    For toy vocabularies. Within a step (a turn, or a reasoning step) values are not discounted, between steps by
    `gamma`; a target network follows the critic. Advantages play no part. `rule=released` is what the authors' code
    computes, whose policy learns nothing from rewards: the plain mean over the vocabulary, without the reference.
    """
    optimization = replace(
        recipe.optimization, lr=critic_lr_ratio * recipe.optimization.lr, epochs=critic_epochs, warmup=0
    )
    critic = SoftQTraining(
        beta=beta, gamma=gamma, rule=rule, polyak=polyak, optimization=optimization, warmup=critic_warmup
    )
    loss = PolicyLoss(surrogate=Reinforce(), reduction=TokenMean())
    return replace(recipe, credit=Credit(), policy_loss=loss, critic=critic)

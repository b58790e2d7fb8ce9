"""KL-Cov: a few tokens that would cost much entropy are held near the sampling policy (arXiv 2505.22617)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.methods.parts import add_penalty, add_step_signal
from forage.parts.losses.penalty import KLCov
from forage.parts.losses.step_signals import KLCovTokens
from forage.parts.losses.surrogate import PPOClip
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Loss", paper="arXiv 2505.22617")
def kl_cov(recipe: Recipe, *, share: float = 2e-4, coefficient: float = 1.0) -> Recipe:
    """Adds |log pi - log mu| on the tokens whose covariance with the advantage is largest; nothing is clipped.

    Exactly on policy, at the first update of a batch, it does nothing. The tokens are chosen once per optimizer step,
    at the cost of one more forward pass.
    """
    loss = replace(recipe.policy_loss, surrogate=PPOClip(low=1.0, high=float("inf")))
    changed = add_step_signal(replace(recipe, policy_loss=loss), KLCovTokens(share=share))
    return add_penalty(changed, KLCov(coefficient=coefficient))

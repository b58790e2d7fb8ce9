"""Clip-Cov: a few tokens that would cost much entropy get no gradient (arXiv 2505.22617)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_step_signal
from forage.parts.credit.shape.held_tokens import HeldTokens
from forage.parts.losses.step_signals import ClipCovTokens
from forage.parts.losses.surrogate import PPOClip
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Loss", paper="arXiv 2505.22617")
def clip_cov(recipe: Recipe, *, share: float = 2e-4, low: float = 1.0, high: float = 5.0, clip: float = 1.0) -> Recipe:
    """Stops the gradient of a random share of the tokens whose covariance with the advantage lies in (low, high).

    `clip` is how far PPO's own clip is widened; the published scripts widen it to 1. The tokens are chosen once per
    optimizer step, at the cost of one more forward pass.
    """
    loss = replace(recipe.policy_loss, surrogate=PPOClip(low=min(clip, 1.0), high=clip))
    tokens = ClipCovTokens(share=share, low=low, high=high, clip_low=min(clip, 1.0), clip_high=clip)
    return add_shape(add_step_signal(replace(recipe, policy_loss=loss), tokens), HeldTokens())

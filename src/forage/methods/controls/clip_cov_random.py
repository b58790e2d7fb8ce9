"""The placebo of clip_cov: as many tokens, drawn at random."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.clip_cov import clip_cov
from forage.parts.losses.step_signals import ClipCovTokens
from forage.training.recipe import Recipe


@variant(clip_cov, kind="control", seam="Loss", paper="control of arXiv 2505.22617")
def clip_cov_random(recipe: Recipe) -> Recipe:
    """As many tokens as the method would choose, drawn from all of them."""
    *before, signal = recipe.policy_loss.step_signals
    assert isinstance(signal, ClipCovTokens)
    loss = replace(recipe.policy_loss, step_signals=(*before, replace(signal, random=True)))
    return replace(recipe, policy_loss=loss)

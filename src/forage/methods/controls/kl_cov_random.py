"""The placebo of kl_cov: as many tokens, drawn at random."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.kl_cov import kl_cov
from forage.parts.losses.step_signals import KLCovTokens
from forage.training.recipe import Recipe


@variant(kl_cov, kind="control", seam="Loss", paper="control of arXiv 2505.22617")
def kl_cov_random(recipe: Recipe) -> Recipe:
    """As many tokens as the method would choose, drawn from all of them."""
    *before, signal = recipe.policy_loss.step_signals
    assert isinstance(signal, KLCovTokens)
    loss = replace(recipe.policy_loss, step_signals=(*before, replace(signal, random=True)))
    return replace(recipe, policy_loss=loss)

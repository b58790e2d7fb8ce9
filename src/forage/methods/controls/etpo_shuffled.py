"""The placebo of ETPO: values of tokens that say nothing about them."""

from dataclasses import replace

from forage.engines.soft_q_training import SoftQTraining
from forage.methods.algorithms.etpo import etpo
from forage.methods.catalogue import variant
from forage.training.recipe import Recipe


@variant(etpo, kind="control", seam="Loss", paper="control of arXiv 2402.06700")
def etpo_shuffled(recipe: Recipe) -> Recipe:
    """The critic learns from rewards that are dealt anew among siblings."""
    assert isinstance(recipe.critic, SoftQTraining)
    return replace(recipe, critic=replace(recipe.critic, permuted=True))

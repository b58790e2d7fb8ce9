"""The placebo of a classifier's reward: as much is paid, to other siblings."""

from dataclasses import replace

from forage.engines.local.classifier_reward import ClassifierReward
from forage.methods.catalogue import variant
from forage.methods.exploration.soft_rllf import soft_rllf
from forage.training.recipe import Recipe


@variant(soft_rllf, kind="control", seam="Reward", paper="control of arXiv 2403.01185")
def soft_rllf_shuffled(recipe: Recipe) -> Recipe:
    """The probabilities of siblings are dealt anew among them."""
    rewards = tuple(
        replace(part, permuted=True) if isinstance(part, ClassifierReward) else part for part in recipe.rewards
    )
    return replace(recipe, rewards=rewards)

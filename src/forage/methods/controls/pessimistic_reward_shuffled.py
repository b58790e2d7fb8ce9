"""The placebo of pessimism: as much is taken, from other siblings."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.pessimistic_reward import pessimistic_reward
from forage.reward_models.preference.embedding_reward import PessimisticReward
from forage.training.recipe import Recipe


@variant(pessimistic_reward, kind="control", seam="Reward", paper="control of arXiv 2301.11270")
def pessimistic_reward_shuffled(recipe: Recipe) -> Recipe:
    """What pessimism takes from siblings is dealt anew among the right ones, and among the wrong ones."""
    kept = (
        replace(reward, permuted=True) if isinstance(reward, PessimisticReward) else reward for reward in recipe.rewards
    )
    return replace(recipe, rewards=tuple(kept))

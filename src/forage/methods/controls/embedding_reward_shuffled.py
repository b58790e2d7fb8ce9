"""The placebo of rewards from preferences: the same networks, fitted to shuffled ones."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.embedding_reward import embedding_reward
from forage.reward_models.preference.embedding_reward import EmbeddingReward
from forage.training.recipe import Recipe


@variant(embedding_reward, kind="control", seam="Reward", paper="control of arXiv 2502.04357")
def embedding_reward_shuffled(recipe: Recipe) -> Recipe:
    """Fitted to the same comparisons, each in an order that says nothing."""
    rewards = tuple(
        replace(reward, placebo=True) if isinstance(reward, EmbeddingReward) else reward for reward in recipe.rewards
    )
    return replace(recipe, rewards=rewards)

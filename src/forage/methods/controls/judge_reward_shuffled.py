"""The placebo of a judge: its labels, on other pairs."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.judge_reward import judge_reward
from forage.reward_models.preference.judge_reward import JudgeReward
from forage.training.recipe import Recipe


@variant(judge_reward, kind="control", seam="Reward", paper="control of arXiv 2406.19644")
def judge_reward_shuffled(recipe: Recipe) -> Recipe:
    """The labels of a group are dealt anew among its pairs."""
    rewards = tuple(replace(part, shuffled=True) if isinstance(part, JudgeReward) else part for part in recipe.rewards)
    return replace(recipe, rewards=rewards)

"""The placebo of rewards for steps: as much is paid, to other siblings."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.step_grpo import step_grpo
from forage.parts.rewards.step_reward import StepReward
from forage.training.recipe import Recipe


@variant(step_grpo, kind="control", seam="Reward", paper="control of arXiv 2503.12937")
def step_grpo_shuffled(recipe: Recipe) -> Recipe:
    """What siblings get for their steps is dealt anew among the right ones, and among the wrong ones."""
    *before, reward = recipe.rewards
    assert isinstance(reward, StepReward)
    return replace(recipe, rewards=(*before, replace(reward, permuted=True)))

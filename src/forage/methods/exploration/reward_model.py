"""RL against a reward model that learned from preferences (arXiv 2203.02155), or several of them (arXiv 2401.12187)."""

from pathlib import Path

from forage.core.errors import ForageError
from forage.engines.local.model_reward import ModelReward
from forage.engines.local.reward_model import check_reward_model
from forage.methods.catalogue import method
from forage.methods.parts import add_model_reward
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2203.02155", needs="a reward model")
def reward_model(
    recipe: Recipe, *, model: str = "", weight: float = 1.0, outcome: float = 0.0, device: str = "cpu"
) -> Recipe:
    """The reward of a sequence classifier in the place of the verifier's, or (outcome=1) beside it.

    `model` is a folder, or several with + between them (the mean of their rewards). Put `kl_penalty` beside it: a
    policy that moves far enough learns to raise the reward of the model alone. Watch `reward` against `correct` in the
    metrics. `device` is where the reward model computes.
    """
    folders = tuple(part for part in model.split("+") if part)
    if not folders:
        raise ForageError(
            "reward_model needs a reward model. Train one with `forage rm train`, and give its folder: "
            "reward_model:model=FOLDER."
        )
    for folder in folders:
        check_reward_model(Path(folder))
    if any(isinstance(present, ModelReward) for present in recipe.rewards):
        raise ForageError("The recipe has a reward model already; give both folders to one: model=FIRST+SECOND.")
    reward = ModelReward(models=folders, weight=weight, outcome=outcome, device=device)
    return add_model_reward(recipe, reward)

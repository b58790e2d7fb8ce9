"""A classifier's probability as the reward, before supervised training on another task (arXiv 2403.01185)."""

from pathlib import Path

from forage.core.errors import ForageError
from forage.engines.local.classifier_reward import ClassifierReward
from forage.engines.local.reward_model import check_reward_model
from forage.methods.catalogue import method
from forage.methods.parts import add_model_reward
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2403.01185", needs="a reward model")
def soft_rllf(recipe: Recipe, *, model: str = "", device: str = "cpu") -> Recipe:
    """The probability that a frozen classifier gives a response, in the place of the verifier's reward.

    `model` is the folder of a sequence classifier with one output (`forage rm train --objective classifier`). Put
    `kl_penalty` beside it, and watch `reward` against `correct` in the metrics. What it taught is carried over to
    another task by `forage sft`.
    """
    if not model:
        raise ForageError(
            "soft_rllf needs a reward model that classifies. Train one with `forage rm train --objective classifier`, "
            "and give its folder: soft_rllf:model=FOLDER."
        )
    check_reward_model(Path(model))
    if any(isinstance(present, ClassifierReward) for present in recipe.rewards):
        raise ForageError("The recipe has a classifier already; a second one would hide what either does.")
    return add_model_reward(recipe, ClassifierReward(model=model, device=device))

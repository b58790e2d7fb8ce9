"""The dialogue task as a recipe: answer requests as the listeners like it, learning from a reward model."""

from typing import Unpack

from forage.base_models.dialogue import build_dialogue_base
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import TINY, Settings
from forage.tasks.dialogue import Dialogue
from forage.training.recipe import Recipe

OWN: Settings = {
    **TINY,
    "steps": 60,  # the tiny model has learned by then
    "max_tokens": 64,  # the longest answer that the listeners like
    "lr": 5e-4,  # a tiny model
}


@recipe(OWN)
def dialogue(**settings: Unpack[Settings]) -> Recipe:
    """Dialogue: greet, comfort and help somebody, where what they like is known by comparisons only.

    Give `--method reward_model:model=FOLDER` (from `forage rm train`): without it the hidden utility itself is the
    reward, which is the upper bound that a reward model can be compared with. `correct` in the metrics, and
    `forage eval`, always ask the hidden utility.

    Args:
    """
    return compose(name="dialogue", task=Dialogue(), settings=settings, base=build_dialogue_base)

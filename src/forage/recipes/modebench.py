"""A ModeBench data set as a recipe, with a model of the user's own."""

from typing import Unpack

from forage.recipes.compose import compose, recipe
from forage.recipes.settings import Settings
from forage.tasks.modebench import parse_modebench
from forage.training.recipe import Recipe

OWN: Settings = {"max_tokens": 192}  # the limit under which ModeBench's published numbers were sampled


@recipe(OWN)
def modebench(*, dataset: str, data_root: str = "", **settings: Unpack[Settings]) -> Recipe:
    """Problems of a ModeBench data set (extra `modebench`), several right answers to each, with a model of yours.

    Args:
        dataset: Name of the data set, and its parameters. Example: level1_countdown:offline=true; chat=false asks
            without the tokenizer's chat template, train_problems and test_problems take the first so many, and
            frozen=false takes problems of your own in its schema.
        data_root: Local copy of ModeBench's folder `data`. Its own loader fetches what is needed unless given.
    """
    task = parse_modebench(dataset.removeprefix("modebench:"), data_root=data_root)
    return compose(name=f"modebench-{task.dataset}", task=task, settings=settings)

"""Graph coloring as a recipe: several right answers to each problem, and a minute to see which of them are kept."""

from typing import Unpack

from forage.base_models.colouring import TOKENS, build_coloring_base
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import SHORT, Settings
from forage.tasks.colouring import Answers, ColoringTask
from forage.training.recipe import Recipe

OWN: Settings = {
    **SHORT,
    "steps": 512,  # every training graph is met in 32 of them
    "max_tokens": TOKENS["short"],
    "lr": 1e-4,  # 1e-3 destroys this policy
}


@recipe(OWN)
def colouring(
    *,
    answers: Answers = "short",
    world_seed: int = 0,
    train_problems: int = 128,
    **settings: Unpack[Settings],
) -> Recipe:
    """Color the last three vertices of a small graph: 4 to 12 of 27 answers are right, and a policy may forget some.

    Args:
        answers: Form of an answer. "short" is three digits, "long" vertices and colors in any order.
        world_seed: Random seed of the toy task: of its base model and its training problems. The test graphs do
            not depend on it.
        train_problems: Size of the training pool.
    """
    settings["max_tokens"] = max(TOKENS[answers], settings.get("max_tokens", 0))
    return compose(
        name=f"colouring-{answers}",
        task=ColoringTask(answers=answers, seed=world_seed, train_problems=train_problems),
        settings=settings,
        base=lambda: build_coloring_base(answers=answers, seed=world_seed),
    )

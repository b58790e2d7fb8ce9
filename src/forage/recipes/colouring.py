"""The coloring world as a recipe: several right answers to each problem, and a minute to see which of them are kept."""

from typing import Unpack

from forage.base_models.colouring import build_coloring_base
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import TINY, Settings
from forage.tasks.colouring import Answers, ColoringTask
from forage.training.recipe import Recipe

TOKENS: dict[Answers, int] = {"short": 4, "long": 7}
"""The length of a response with its end."""

OWN: Settings = {
    **TINY,
    "steps": 512,  # each training graph is met 32 times: ways of being right are lost slowly
    "groups": 8,
    "group_size": 16,
    "max_tokens": 0,  # it depends on the answers
    "lr": 1e-4,  # at 3e-4 noise locks some unseen graphs onto wrong answers, at 1e-3 the policy breaks
    "mini_batches": 1,  # on policy
    "micro_tokens": 4096,  # a whole step in one pass
    "checkpoint_every": 0,  # a run takes a minute
    "rollouts_every": 0,
    "threads": 1,  # the matrices are too small to be divided
}


@recipe(OWN)
def colouring(
    *, answers: Answers = "short", world_seed: int = 0, train_problems: int = 128, **settings: Unpack[Settings]
) -> Recipe:
    """Color the last three vertices of a small graph: 4 to 12 of 27 answers are right, and a policy may forget some.

    Args:
        answers: short is three digits, long names vertices and colors in any order.
        world_seed: of the base model and of the training graphs; the test graphs do not depend on it.
        train_problems: size of the training pool.
    """
    task = ColoringTask(answers=answers, seed=world_seed, train_problems=train_problems)
    if not settings.get("max_tokens"):
        settings["max_tokens"] = TOKENS[answers]
    return compose(
        name=f"colouring-{answers}",
        task=task,
        settings=settings,
        base=lambda: build_coloring_base(answers=answers, seed=world_seed),
    )

"""The toy task Countdown as a recipe: a noisy base model, and settings in which exploration matters."""

from typing import Literal, Unpack

from forage.base_models.countdown import build_base
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import TINY, Settings
from forage.tasks.countdown import Countdown
from forage.training.recipe import Recipe

Size = Literal["demo", "experiment"]

STEPS: dict[Size, int] = {"demo": 80, "experiment": 120}

OWN: Settings = {
    **TINY,
    "steps": None,  # they depend on the size
    "group_size": 16,  # the base model solves a problem in one response of ten: fewer seldom differ
    "max_tokens": 120,  # the longest written solution
    "lr": 2e-4,  # a tiny model
}


@recipe(OWN)
def countdown(*, size: Size = "demo", train_problems: int | None = None, **settings: Unpack[Settings]) -> Recipe:
    """Countdown: reach a target from three or four numbers, in a written trace that a verifier replays.

    Args:
        size: demo runs in a minute, experiment is the full task. They take 80 and 120 steps unless --steps is given.
        train_problems: size of the training pool; 160 for the demo and 256 for the experiment unless given.
    """
    if settings.get("steps") is None:
        settings["steps"] = STEPS[size]
    return compose(
        name=f"countdown-{size}",
        task=Countdown(size=size, train_problems=train_problems),
        settings=settings,
        base=lambda: build_base(size=size),
    )

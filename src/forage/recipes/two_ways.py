"""Two ways as a recipe: training problems are solved by an easy way and a rare one, test problems by the rare one."""

from typing import Unpack

from forage.base_models.two_ways import build_two_ways_base
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import SHORT, Settings
from forage.tasks.two_ways import LENGTH, TwoWays
from forage.training.recipe import Recipe

OWN: Settings = {
    **SHORT,
    "steps": 128,
    "max_tokens": LENGTH + 2,  # its letter, its sums and its end
    "lr": 2e-4,
}


@recipe(OWN)
def two_ways(*, world_seed: int = 0, train_problems: int = 128, **settings: Unpack[Settings]) -> Recipe:
    """Add digits by an easy way or a rare one: both are right where one trains, and only the rare one in the test.

    Args:
        world_seed: Random seed of the toy task: of its base model and its training problems. The test problems do not
            depend on it.
        train_problems: Size of the training pool.
    """
    return compose(
        name="two-ways",
        task=TwoWays(seed=world_seed, train_problems=train_problems),
        settings=settings,
        base=lambda: build_two_ways_base(seed=world_seed),
    )

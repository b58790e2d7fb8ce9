"""Bandits as a recipe: exploration inside of a response, which an environment answers turn by turn."""

from typing import Unpack

from forage.base_models.bandit import build_bandit_base
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import SHORT, Settings
from forage.tasks.bandit import Bandit
from forage.training.recipe import Recipe

OWN: Settings = {
    **SHORT,
    "steps": 100,
    "max_tokens": 4 * Bandit.pulls,  # an arm, its end and the reply to it, and a little more
    "lr": 2e-4,
}


@recipe(OWN)
def bandit(
    *,
    arms: int = Bandit.arms,
    pulls: int = Bandit.pulls,
    penalty: float = Bandit.penalty,
    world_seed: int = 0,
    train_problems: int = Bandit.train_problems,
    **settings: Unpack[Settings],
) -> Recipe:
    """Find the best arm of a bandit by trying: every pull is a turn, and its reward is the answer to it.

    Args:
        arms: Number of arms. 2 to 10; one of them pays with a chance of 0.8, the others with less than 0.5.
        pulls: How many arms an episode pulls.
        penalty: Price of a turn without a valid arm. The best arm throughout is worth 1.
        world_seed: Random seed of the toy task: of its base model and its training problems. The test problems do not
            depend on it.
        train_problems: Size of the training pool.
    """
    settings["max_tokens"] = max(4 * pulls, settings.get("max_tokens", 0))
    return compose(
        name=f"bandit-{arms}",
        task=Bandit(arms=arms, pulls=pulls, penalty=penalty, seed=world_seed, train_problems=train_problems),
        settings=settings,
        base=lambda: build_bandit_base(arms=arms, pulls=pulls, seed=world_seed),
    )

"""Locks as a recipe: success lies behind a chain of choices, and plain sampling hardly ever meets it."""

from typing import Unpack

from forage.base_models.lock import build_lock_base
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import SHORT, Settings
from forage.tasks.lock import SHORTEST, Lock
from forage.training.recipe import Recipe

OWN: Settings = {
    **SHORT,
    "steps": 200,
    "max_tokens": SHORTEST + 1,  # at least the length of the lock with its end
    "lr": 2e-4,
}


@recipe(OWN)
def lock(
    *,
    length: int = Lock.length,
    world_seed: int = 0,
    train_problems: int = 128,
    **settings: Unpack[Settings],
) -> Recipe:
    """Turn all dials of a lock rightly: nothing is said before the last, and the base does it once in thousands.

    Args:
        length: Number of dials. 5 to 16; the base turns each rightly with a probability of about 0.5.
        world_seed: Random seed of the toy task: of its base model and its training problems. The test locks do not
            depend on it.
        train_problems: Size of the training pool.
    """
    settings["max_tokens"] = max(length + 1, settings.get("max_tokens", 0))
    return compose(
        name=f"lock-{length}",
        task=Lock(length=length, seed=world_seed, train_problems=train_problems),
        settings=settings,
        base=lambda: build_lock_base(length=length, seed=world_seed),
    )

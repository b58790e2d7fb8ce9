"""Lookup as a recipe: answers that stand in documents, which a policy has to search for."""

from typing import Unpack

from forage.base_models.lookup import build_lookup_base, response_tokens
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import SHORT, Settings
from forage.tasks.lookup import Lookup
from forage.training.recipe import Recipe

OWN: Settings = {
    **SHORT,
    "steps": 40,
    "max_tokens": response_tokens(results=Lookup.results, searches=Lookup.searches),
    "lr": 1e-3,
}


@recipe(OWN)
def lookup(
    *,
    results: int = Lookup.results,
    searches: int = Lookup.searches,
    world_seed: int = 0,
    train_problems: int = Lookup.train_problems,
    **settings: Unpack[Settings],
) -> Recipe:
    """Answer questions by searching documents: a query in a response is answered with what was found.

    Args:
        results: Passages that a query is answered with.
        searches: The most searches of a response. One more cuts it off.
        world_seed: Random seed of the toy task: of its base model and its training problems. The test problems do not
            depend on it.
        train_problems: Size of the training pool.
    """
    room = response_tokens(results=results, searches=searches)
    settings["max_tokens"] = max(room, settings.get("max_tokens", 0))
    return compose(
        name="lookup",
        task=Lookup(results=results, searches=searches, seed=world_seed, train_problems=train_problems),
        settings=settings,
        base=lambda: build_lookup_base(results=results, seed=world_seed),
    )

"""Success replay that does not choose."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.success_replay import success_replay
from forage.parts.memory.successes import SuccessReplay
from forage.training.recipe import Recipe


@variant(success_replay, kind="control", seam="Memory, Loss", paper="control of arXiv 2507.07451, 2510.02245")
def success_replay_random(recipe: Recipe) -> Recipe:
    """As many successes with the same weights, drawn at random from all that are kept, whatever the problem."""
    assert isinstance(recipe.memory, SuccessReplay)
    return replace(recipe, memory=replace(recipe.memory, anywhere=True))

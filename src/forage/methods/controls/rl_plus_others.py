"""RL-PLUS on responses that are right elsewhere."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.rl_plus import rl_plus
from forage.parts.memory.references import References
from forage.training.recipe import Recipe


@variant(rl_plus, kind="control", seam="Memory, Loss", paper="control of arXiv 2508.00222")
def rl_plus_others(recipe: Recipe) -> Recipe:
    """The right response to another problem, with the same weight."""
    assert isinstance(recipe.memory, References)
    return replace(recipe, memory=replace(recipe.memory, anywhere=True))

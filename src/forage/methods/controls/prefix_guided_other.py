"""The control of guided prefixes: help that belongs to another problem."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.prefix_guided import prefix_guided
from forage.parts.memory.prefix_guided import PrefixGuided
from forage.training.recipe import Recipe


@variant(prefix_guided, kind="control", seam="Memory", paper="control of arXiv 2601.18779", without=("ways",))
def prefix_guided_other(recipe: Recipe) -> Recipe:
    """The same problems, begun with as long a part of the solution to another one."""
    assert isinstance(recipe.memory, PrefixGuided)
    return replace(recipe, memory=replace(recipe.memory, donor="other"))

"""The control of TreeRL: as many forks, anywhere before the answer."""

from dataclasses import replace

from forage.methods.algorithms.tree_credit import tree_credit
from forage.methods.catalogue import variant
from forage.parts.explore.surprise_forks import SurpriseForks
from forage.training.recipe import Recipe


@variant(tree_credit, kind="control", seam="Explore, Assign", paper="control of arXiv 2506.11902")
def tree_credit_random(recipe: Recipe) -> Recipe:
    """The same tree and the same credit, forked at random tokens before the answer."""
    assert isinstance(recipe.explore, SurpriseForks)
    return replace(recipe, explore=replace(recipe.explore, places="random"))

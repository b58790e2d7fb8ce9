"""The placebo of novelty: as much of it, on other wrong responses."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.i_mentor import i_mentor
from forage.parts.memory.novelty import Novelty
from forage.training.recipe import Recipe


@variant(i_mentor, kind="control", seam="Memory, Shape", paper="control of arXiv 2505.17621")
def i_mentor_shuffled(recipe: Recipe) -> Recipe:
    """The novelties of a step are dealt anew among its wrong responses, of whatever problem."""
    memory = recipe.memory
    assert isinstance(memory, Novelty)
    return replace(recipe, memory=replace(memory, permuted=True))

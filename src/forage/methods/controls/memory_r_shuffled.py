"""The placebo of a memory of responses: as much reward, on other siblings."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.memory_r import memory_r
from forage.parts.memory.past_responses import PastResponses
from forage.training.recipe import Recipe


@variant(memory_r, kind="control", seam="Memory, Reward", paper="control of arXiv 2504.02273")
def memory_r_shuffled(recipe: Recipe) -> Recipe:
    """What siblings get is dealt anew among the right ones, and among the wrong ones."""
    memory = recipe.memory
    assert isinstance(memory, PastResponses)
    return replace(recipe, memory=replace(memory, permuted=True))

"""The control of problems by difficulty: as many problems, whatever their difficulty."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.difficulty_buckets import difficulty_buckets
from forage.parts.memory.difficulty_buckets import DifficultyBuckets
from forage.training.recipe import Recipe


@variant(difficulty_buckets, kind="control", seam="Memory", paper="control of arXiv 2503.05592")
def difficulty_buckets_random(recipe: Recipe) -> Recipe:
    """As many training problems as the buckets hold, drawn at random from all."""
    assert isinstance(recipe.memory, DifficultyBuckets)
    return replace(recipe, memory=replace(recipe.memory, deal="random"))

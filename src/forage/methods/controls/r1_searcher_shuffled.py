"""The control of learning to search: the search engine finds something else."""

from dataclasses import replace

from forage.core.turns import environment_of
from forage.methods.catalogue import variant
from forage.methods.exploration.r1_searcher import r1_searcher
from forage.tasks.search import SearchEnvironment
from forage.tasks.with_environment import with_environment
from forage.training.recipe import Recipe


@variant(r1_searcher, kind="control", seam="Task", paper="control of arXiv 2503.05592")
def r1_searcher_shuffled(recipe: Recipe) -> Recipe:
    """Every passage that is found gives its place to another one: searching pays as before, and tells nothing."""
    environment = environment_of(recipe.task)
    assert isinstance(environment, SearchEnvironment)
    return replace(recipe, task=with_environment(recipe.task, replace(environment, shuffled=True)))

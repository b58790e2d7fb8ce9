"""The control of a budget by posterior: the same numbers of responses, to problems at random."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.posterior_budget import posterior_budget
from forage.parts.memory.posterior_budget import PosteriorBudget
from forage.training.recipe import Recipe


@variant(posterior_budget, kind="control", seam="Memory", paper="control of arXiv 2606.15455")
def posterior_budget_random(recipe: Recipe) -> Recipe:
    """The sizes of groups that the posterior asks for, dealt to the step's problems at random."""
    assert isinstance(recipe.memory, PosteriorBudget)
    return replace(recipe, memory=replace(recipe.memory, deal="random"))

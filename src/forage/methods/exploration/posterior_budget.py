"""A step's responses divided by what is known of each problem (after BBG, arXiv 2606.15455)."""

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.exploration.rrl import with_replay
from forage.parts.explore.step_search import StepSearch
from forage.parts.explore.step_tree import StepTree
from forage.parts.memory.posterior_budget import PosteriorBudget
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory", paper="after arXiv 2606.15455")
def posterior_budget(recipe: Recipe, *, k: int = 1, low: int = 2, keep: float = 0.5) -> Recipe:
    """As many responses in every step, but more to the problems where more are likely to differ in verdict.

    Each problem's chance of success has a Beta posterior in memory; a visit leaves the share `keep` of what was known.
    `k=16` weighs problems by how much pass@16 would gain, which favours hard ones. A larger group counts for more under
    a mean over tokens.
    """
    if isinstance(recipe.explore, StepTree | StepSearch):
        raise ForageError("A search tree grows all groups of a step to one size: it cannot divide a budget. Drop one.")
    low = max(low, recipe.credit.min_group_size)
    return with_replay(recipe, PosteriorBudget(group_size=recipe.grouping.group_size, low=low, k=k, keep=keep))

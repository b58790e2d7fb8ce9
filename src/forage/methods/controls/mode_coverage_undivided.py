"""Mode coverage without its first part."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.mode_coverage import mode_coverage
from forage.training.recipe import Recipe


@variant(
    mode_coverage,
    kind="control",
    seam="Memory, Loss",
    paper="control of this project's mode_coverage",
    without=("alpha",),
)
def mode_coverage_undivided(recipe: Recipe) -> Recipe:
    """Exemplars and restarts of every way; the reward is not divided."""
    return replace(recipe, rewards=recipe.rewards[:-1])

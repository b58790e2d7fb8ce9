"""Mode coverage without its restarts."""

from forage.methods.catalogue import variant
from forage.methods.exploration.mode_coverage import mode_coverage
from forage.methods.exploration.mode_replay import vary_modes
from forage.parts.memory.shuffled import ShuffledProblems
from forage.training.recipe import Recipe


@variant(
    mode_coverage,
    kind="control",
    seam="Reward, Memory, Loss",
    paper="control of this project's mode_coverage",
    without=("share",),
)
def mode_coverage_unrestarted(recipe: Recipe) -> Recipe:
    """Reward is divided among the ways and their exemplars are learned from; every group starts at its problem."""
    return vary_modes(recipe, inner=ShuffledProblems())

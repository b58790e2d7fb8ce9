"""The placebo of BARL: the same credits, on other steps of the response."""

from forage.methods.catalogue import variant
from forage.methods.controls.progress_reward_shuffled import with_permuted_progress
from forage.methods.exploration.barl import barl
from forage.training.recipe import Recipe


@variant(barl, kind="control", seam="Signal, Assign", paper="control of arXiv 2505.20561")
def barl_shuffled(recipe: Recipe) -> Recipe:
    """The credits of a response are dealt anew among its steps."""
    return with_permuted_progress(recipe)

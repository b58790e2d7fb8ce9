"""The control of DGRO: its policy gradient without the pull."""

from dataclasses import replace

from forage.methods.algorithms.dgro import dgro
from forage.methods.catalogue import variant
from forage.training.recipe import Recipe


@variant(dgro, kind="control", seam="Loss", paper="control of arXiv 2505.12951", without={"pull", "source"}, needs="")
def dgro_free(recipe: Recipe) -> Recipe:
    """REINFORCE with DGRO's baseline: what remains of it when nothing pulls to the source policy."""
    return replace(recipe, policy_loss=replace(recipe.policy_loss, penalties=()))

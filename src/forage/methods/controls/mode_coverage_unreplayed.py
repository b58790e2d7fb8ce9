"""Mode coverage without its exemplars."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.mode_coverage import mode_coverage
from forage.parts.memory.verified_modes import VerifiedModes
from forage.training.recipe import Recipe


@variant(
    mode_coverage,
    kind="control",
    seam="Reward, Memory",
    paper="control of this project's mode_coverage",
    without=("coefficient", "slots"),
)
def mode_coverage_unreplayed(recipe: Recipe) -> Recipe:
    """Reward is divided among the ways and some groups start from their beginnings; no exemplar is learned from."""
    assert isinstance(recipe.memory, VerifiedModes)
    loss = replace(recipe.policy_loss, demonstration_penalties=())
    return replace(recipe, memory=recipe.memory.inner, policy_loss=loss)

"""The control of Entro-duction: the same actions, dealt anew among the steps."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.entro_duction import entro_duction
from forage.parts.explore.reasoning_control import ReasoningControl
from forage.training.recipe import Recipe


@variant(entro_duction, kind="control", seam="Explore", paper="control of arXiv 2503.15848")
def entro_duction_random(recipe: Recipe) -> Recipe:
    """As many deepened, branched and stopped steps, whatever their uncertainty."""
    assert isinstance(recipe.explore, ReasoningControl)
    return replace(recipe, explore=replace(recipe.explore, control="random"))

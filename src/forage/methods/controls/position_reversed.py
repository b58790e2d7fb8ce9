"""The placebo of credit by position: the beginning in the place of the end."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.position_shaping import position_shaping
from forage.parts.credit.shape.learning_stages import PositionBonus
from forage.training.recipe import Recipe


@variant(position_shaping, kind="control", seam="Shape", paper="control of arXiv 2508.02260")
def position_reversed(recipe: Recipe) -> Recipe:
    """The bonus of position_shaping read from the other end: as much credit in all, for early tokens."""
    *before, shape = recipe.credit.shapes
    assert isinstance(shape, PositionBonus)
    mirrored = replace(shape, slope=-shape.slope, middle=1 - shape.middle)
    return replace(recipe, credit=replace(recipe.credit, shapes=(*before, mirrored)))

"""A control of the 80/20 rule: as many tokens, those of the lowest entropy."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.top_entropy_tokens import top_entropy_tokens
from forage.parts.credit.shape.entropy_tokens import EntropyTokens
from forage.training.recipe import Recipe


@variant(top_entropy_tokens, kind="control", seam="Shape", paper="control of arXiv 2506.01939")
def bottom_entropy_tokens(recipe: Recipe) -> Recipe:
    """As many tokens, those of the lowest entropy."""
    *before, shape = recipe.credit.shapes
    assert isinstance(shape, EntropyTokens)
    shapes = (*before, replace(shape, choice="bottom"))
    return replace(recipe, credit=replace(recipe.credit, shapes=shapes))

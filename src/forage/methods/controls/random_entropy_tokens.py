"""A control of the 80/20 rule: as many tokens, drawn at random."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.top_entropy_tokens import top_entropy_tokens
from forage.parts.credit.shape.entropy_tokens import EntropyTokens
from forage.training.recipe import Recipe


@variant(top_entropy_tokens, kind="control", seam="Shape", paper="control of arXiv 2506.01939")
def random_entropy_tokens(recipe: Recipe) -> Recipe:
    """As many tokens, drawn at random from the whole step."""
    *before, shape = recipe.credit.shapes
    assert isinstance(shape, EntropyTokens)
    shapes = (*before, replace(shape, choice="random"))
    return replace(recipe, credit=replace(recipe.credit, shapes=shapes))

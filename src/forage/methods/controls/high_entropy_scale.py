"""A control of entropy-based advantage shaping: a factor on high-entropy tokens."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape
from forage.parts.credit.shape.high_entropy_scale import HighEntropyScale
from forage.training.recipe import Recipe


@method(kind="control", seam="Shape", paper="control of arXiv 2506.14758", control_of="entropy_advantage")
def high_entropy_scale(recipe: Recipe, *, scale: float = 0.2, quantile: float = 0.8) -> Recipe:
    """A * (1 + scale) on the tokens above the entropy quantile of the batch: multiplicative, both signs alike."""
    return add_shape(recipe, HighEntropyScale(scale=scale, quantile=quantile))

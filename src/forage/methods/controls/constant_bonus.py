"""A control of entropy-based advantage shaping: the same mean bonus on every token."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, published_alpha
from forage.parts.credit.shape.constant_bonus import ConstantBonus
from forage.training.recipe import Recipe


@method(kind="control", seam="Shape", paper="control of arXiv 2506.14758", control_of="entropy_advantage")
def constant_bonus(recipe: Recipe, *, alpha: float | None = None, kappa: float = 2.0) -> Recipe:
    """c * |A| on every token, c such that its mean over the batch equals the entropy bonus: only the positive bias."""
    return add_shape(recipe, ConstantBonus(alpha=published_alpha(recipe, alpha), kappa=kappa))

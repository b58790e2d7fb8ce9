"""A control of entropy-based advantage shaping: the same mean bonus on random tokens."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, published_alpha
from forage.parts.credit.shape.random_token_bonus import RandomTokenBonus
from forage.training.recipe import Recipe


@method(kind="control", seam="Shape", paper="control of arXiv 2506.14758", control_of="entropy_advantage")
def random_token_bonus(recipe: Recipe, *, alpha: float | None = None, kappa: float = 2.0) -> Recipe:
    """The capped bonus |A| / kappa on random tokens, as many as give the entropy bonus its mean."""
    return add_shape(recipe, RandomTokenBonus(alpha=published_alpha(recipe, alpha), kappa=kappa))

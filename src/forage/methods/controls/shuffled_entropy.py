"""A control of entropy-based advantage shaping: entropies shuffled within each response."""

from typing import Literal

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, published_alpha
from forage.parts.credit.shape.shuffled_entropy_bonus import ShuffledEntropyBonus
from forage.training.recipe import Recipe


@method(kind="control", seam="Shape", paper="control of arXiv 2506.14758", control_of="entropy_advantage")
def shuffled_entropy(
    recipe: Recipe, *, alpha: float | None = None, kappa: float = 2.0, at: Literal["update", "sampling"] = "update"
) -> Recipe:
    """The entropy bonus with the entropies permuted among the tokens of a response: same sizes, wrong places."""
    return add_shape(recipe, ShuffledEntropyBonus(alpha=published_alpha(recipe, alpha), kappa=kappa, at=at))

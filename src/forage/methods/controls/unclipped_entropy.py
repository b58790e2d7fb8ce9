"""A control of entropy-based advantage shaping: the bonus without its cap."""

from typing import Literal

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, published_alpha
from forage.parts.credit.shape.unclipped_entropy_bonus import UnclippedEntropyBonus
from forage.training.recipe import Recipe


@method(kind="control", seam="Shape", paper="control of arXiv 2506.14758", control_of="entropy_advantage")
def unclipped_entropy(
    recipe: Recipe, *, alpha: float | None = None, at: Literal["update", "sampling"] = "update"
) -> Recipe:
    """A + alpha * H without the cap: a state baseline, whose expected gradient is zero on policy."""
    return add_shape(recipe, UnclippedEntropyBonus(alpha=published_alpha(recipe, alpha), at=at))

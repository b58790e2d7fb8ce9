"""Entropy-based advantage shaping (Cheng et al., arXiv 2506.14758)."""

from typing import Literal

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, published_alpha
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2506.14758")
def entropy_advantage(
    recipe: Recipe,
    *,
    alpha: float | None = None,
    kappa: float = 2.0,
    at: Literal["update", "sampling"] = "update",
    positive_only: bool = False,
) -> Recipe:
    """Raises the advantage of uncertain tokens: A + min(alpha * H, |A| / kappa), with H detached (equations 5 and 6).

    `at="update"` is the published reading (H of the policy being updated); "sampling" freezes the bonus for all updates
    of a batch. `positive_only` leaves negative advantages alone. Without `alpha` it is the published one: 0.1 with a
    critic's advantages (PPO), behind their whitening, and 0.4 with all others (GRPO). kappa is published as 2.
    """
    return add_shape(
        recipe, EntropyBonus(alpha=published_alpha(recipe, alpha), kappa=kappa, at=at, positive_only=positive_only)
    )

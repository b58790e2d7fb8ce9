"""Entropy-based advantage shaping (Cheng et al., arXiv 2506.14758)."""

from typing import Literal

from forage.credit.shape.entropy_bonus import EntropyBonus
from forage.methods.catalogue import method
from forage.methods.parts import add_shape
from forage.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2506.14758")
def entropy_advantage(
    recipe: Recipe,
    *,
    alpha: float = 0.4,
    kappa: float = 2.0,
    at: Literal["update", "sampling"] = "update",
    positive_only: bool = False,
) -> Recipe:
    """Raises the advantage of uncertain tokens: A + min(alpha * H, |A| / kappa), with H detached (equations 5 and 6).

    `at="update"` is the published reading (H of the policy being updated); "sampling" freezes the bonus for all updates
    of a batch. `positive_only` leaves negative advantages alone. Published: alpha 0.4 for GRPO, 0.1 for PPO, kappa 2.
    """
    return add_shape(recipe, EntropyBonus(alpha=alpha, kappa=kappa, at=at, positive_only=positive_only))

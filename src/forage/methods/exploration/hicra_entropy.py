"""HICRA (arXiv 2509.03646) and entropy-based advantage shaping (arXiv 2506.14758) together."""

from typing import Literal

from forage.methods.catalogue import method
from forage.methods.parts import add_planning, published_alpha, strategic_grams
from forage.parts.credit.shape.entropy_planning_bonus import EntropyPlanningBonus
from forage.training.recipe import Recipe


@method(
    kind="exploration",
    seam="Shape, Signal",
    paper="arXiv 2509.03646 with arXiv 2506.14758; the cap is ours",
    needs="strategic grams",
)
def hicra_entropy(
    recipe: Recipe,
    *,
    grams: str = "",
    entropy_alpha: float | None = None,
    kappa: float = 2.0,
    planning_alpha: float = 0.2,
    total_kappa: float = 2.0,
    at: Literal["update", "sampling"] = "update",
    scale: bool = True,
) -> Recipe:
    """Entropy bonus and planning credit under one cap: A + min(psi + planning_alpha * |A| * m, |A| / total_kappa).

    psi = min(entropy_alpha * H, |A| / kappa), m marks the planning tokens of `grams`; every advantage keeps its sign.
    `scale=false` drops the algorithm's division by the standard deviation, as HICRA alone prints it.
    """
    shape = EntropyPlanningBonus(
        entropy_alpha=published_alpha(recipe, entropy_alpha),
        kappa=kappa,
        planning_alpha=planning_alpha,
        total_kappa=total_kappa,
        at=at,
    )
    strategic = strategic_grams(grams, "hicra_entropy")
    return add_planning(recipe, shape, strategic.grams, strategic.id, scale=scale, bins=strategic.bins)

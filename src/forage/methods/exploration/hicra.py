"""HICRA, hierarchy-aware credit assignment (Wang et al., arXiv 2509.03646)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_planning, strategic_grams
from forage.ops.planning import check_planning_alpha
from forage.parts.credit.shape.planning_credit import PlanningCredit
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape, Signal", paper="arXiv 2509.03646", needs="strategic grams")
def hicra(recipe: Recipe, *, grams: str = "", alpha: float = 0.2, scale: bool = False) -> Recipe:
    """More credit for planning tokens: A + alpha * |A| on strategic grams, with mean-centered advantages (section 3).

    `grams` is a list mined by `forage grams mine`, or `phrases` for one written by hand. `scale=true` keeps the
    algorithm's division by the standard deviation, for comparison with methods that have it; the paper prints none.
    The paper trains with clip-higher: grpo:clip_high=0.28. A negative alpha is the control hicra_negative.
    """
    check_planning_alpha(alpha, least=0)
    strategic = strategic_grams(grams, "hicra")
    return add_planning(
        recipe, PlanningCredit(alpha=alpha), strategic.grams, strategic.id, scale=scale, bins=strategic.bins
    )

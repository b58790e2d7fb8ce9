"""A control of HICRA: the extra credit on everything but the planning tokens."""

from forage.methods.catalogue import method
from forage.methods.parts import add_planning, strategic_grams
from forage.ops.planning import check_planning_alpha
from forage.parts.credit.shape.inverted_planning_credit import InvertedPlanningCredit
from forage.training.recipe import Recipe


@method(
    kind="control",
    seam="Shape, Signal",
    paper="control of arXiv 2509.03646",
    control_of="hicra",
    needs="strategic grams",
)
def hicra_inverted(recipe: Recipe, *, grams: str = "", alpha: float = 0.2, scale: bool = False) -> Recipe:
    """A + alpha * |A| on every token that is not a planning token."""
    check_planning_alpha(alpha, least=0)
    strategic = strategic_grams(grams, "hicra_inverted")
    return add_planning(
        recipe, InvertedPlanningCredit(alpha=alpha), strategic.grams, strategic.id, scale=scale, bins=strategic.bins
    )

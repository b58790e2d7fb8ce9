"""A control of HICRA: the opposite of its rule, on the same tokens."""

from forage.methods.catalogue import method
from forage.methods.parts import add_planning, strategic_grams
from forage.ops.planning import check_planning_alpha
from forage.parts.credit.shape.planning_credit import PlanningCredit
from forage.training.recipe import Recipe


@method(
    kind="control",
    seam="Shape, Signal",
    paper="control of arXiv 2509.03646",
    control_of="hicra",
    needs="strategic grams",
)
def hicra_negative(recipe: Recipe, *, grams: str = "", alpha: float = 0.2, scale: bool = False) -> Recipe:
    """A - alpha * |A| on planning tokens: less credit for plans that won, more blame for plans that lost."""
    check_planning_alpha(alpha, least=0)
    strategic = strategic_grams(grams, "hicra_negative")
    return add_planning(
        recipe, PlanningCredit(alpha=-alpha), strategic.grams, strategic.id, scale=scale, bins=strategic.bins
    )

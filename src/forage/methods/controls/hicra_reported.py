"""A control of HICRA: the rule that is reported second-hand for its authors' code."""

from forage.methods.catalogue import method
from forage.methods.parts import add_planning, strategic_grams
from forage.ops.planning import check_planning_alpha
from forage.parts.credit.shape.reported_planning_credit import ReportedPlanningCredit
from forage.training.recipe import Recipe


@method(
    kind="control",
    seam="Shape, Signal",
    paper="second-hand on arXiv 2509.03646 (TRL pull request 4997)",
    control_of="hicra",
)
def hicra_reported(
    recipe: Recipe, *, grams: str = "", alpha: float = 0.2, share: float = 0.3, scale: bool = False
) -> Recipe:
    """A + alpha * |A| on uncertain tokens of right responses longer than their group, and on grams: not the paper.

    Uncertain are the `share` most uncertain tokens of a response. Without `grams` only they are paid, which rewards
    length. The reported code assigns into a copy and so changes nothing; here the rule is in effect.
    """
    check_planning_alpha(alpha, least=0)
    shape = ReportedPlanningCredit(alpha=alpha, share=share)
    if not grams:
        return add_planning(recipe, shape, (), "none", scale=scale)
    strategic = strategic_grams(grams, "hicra_reported")
    return add_planning(recipe, shape, strategic.grams, strategic.id, scale=scale, bins=strategic.bins)

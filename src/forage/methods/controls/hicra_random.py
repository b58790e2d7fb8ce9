"""The placebo of HICRA: random phrases that cover as much of the text as the strategic ones."""

from forage.core.errors import ForageError
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
def hicra_random(recipe: Recipe, *, grams: str = "", alpha: float = 0.2, scale: bool = False) -> Recipe:
    """A + alpha * |A| on random grams of equal coverage, drawn when the list was mined: same amount, wrong places."""
    check_planning_alpha(alpha, least=0)
    strategic = strategic_grams(grams, "hicra_random")
    if not strategic.placebo:
        raise ForageError(
            f"The gram list {grams} has no random grams beside it, as only mined lists have. "
            "Mine one with `forage grams mine RUN --out grams.json`."
        )
    source = f"placebo of {strategic.id}"
    return add_planning(recipe, PlanningCredit(alpha=alpha), strategic.placebo, source, scale=scale)

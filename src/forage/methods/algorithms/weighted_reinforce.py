"""W-REINFORCE: negative samples at full weight, positive ones at a small one (arXiv 2506.01347)."""

from forage.methods.catalogue import method
from forage.methods.signed import Denominator, signed_recipe
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2506.01347")
def weighted_reinforce(
    recipe: Recipe, *, positive: float = 0.1, denominator: Denominator = "all", clip: float = 0.2
) -> Recipe:
    """Wrong responses lose probability, right ones gain it at a tenth of the weight; the mean is over all tokens."""
    return signed_recipe(recipe, positive=positive, negative=-1.0, denominator=denominator, clip=clip)

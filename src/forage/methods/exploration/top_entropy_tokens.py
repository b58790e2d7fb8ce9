"""The 80/20 rule: learn from the tokens at which the policy was uncertain (arXiv 2506.01939)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape
from forage.methods.signed import Denominator, check_denominator
from forage.parts.credit.shape.entropy_tokens import EntropyTokens
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2506.01939")
def top_entropy_tokens(recipe: Recipe, *, share: float = 0.2, denominator: Denominator = "all") -> Recipe:
    """Keeps the advantages of the share of the step's tokens with the highest entropy, and 0 elsewhere.

    The loss is averaged over all tokens, or over the kept ones, which makes the step 1 / share times as large.
    """
    check_denominator(denominator)
    return add_shape(recipe, EntropyTokens(share=share, kept=denominator == "kept"))

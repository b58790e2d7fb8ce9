"""Credit by perplexity (Deng et al., arXiv 2508.02260)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_signal
from forage.ops.learning_stages import Scope
from forage.parts.credit.shape.learning_stages import PerplexityScale
from forage.parts.signals.perplexity import Perplexity
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape, Signal", paper="arXiv 2508.02260")
def perplexity_shaping(recipe: Recipe, *, alpha: float = 0.01, scope: Scope = "group") -> Recipe:
    """More credit for responses that the policy found likely: A (1 - alpha w), w the standardized log-perplexity.

    `scope` standardizes among the siblings (group) or in the whole step (batch); the paper's choice and its constants
    are not known, so both are offered and the defaults are ours.
    """
    return add_shape(add_signal(recipe, Perplexity(scope=scope)), PerplexityScale(alpha=alpha))

"""The placebo of credit by perplexity: the same weights on other responses."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.perplexity_shaping import perplexity_shaping
from forage.parts.signals.perplexity import Perplexity
from forage.training.recipe import Recipe


@variant(perplexity_shaping, kind="control", seam="Signal", paper="control of arXiv 2508.02260")
def perplexity_shuffled(recipe: Recipe) -> Recipe:
    """The weights of perplexity_shaping, dealt anew among the siblings: as large, for no reason."""
    *before, signal = recipe.signals
    assert isinstance(signal, Perplexity)
    return replace(recipe, signals=(*before, replace(signal, permuted=True)))

"""The placebo of HRPO: blends of the same sharpness with other tokens than the expected ones."""

from dataclasses import replace

from forage.methods.algorithms.hrpo import hrpo
from forage.methods.catalogue import variant
from forage.training.recipe import Recipe


@variant(hrpo, kind="control", seam="Loss", paper="control of arXiv 2505.18454")
def hrpo_shuffled(recipe: Recipe) -> Recipe:
    """At each place of a response the probabilities are dealt anew among the tokens before they are averaged."""
    assert recipe.engine.thinking is not None
    return replace(recipe, engine=replace(recipe.engine, thinking=replace(recipe.engine.thinking, dealt=True)))

"""HRPO without thinking in embeddings: its gates are shut, and all else is the same."""

from dataclasses import replace

from forage.methods.algorithms.hrpo import hrpo
from forage.methods.catalogue import variant
from forage.training.recipe import Recipe


@variant(hrpo, kind="control", seam="Loss", paper="control of arXiv 2505.18454", without=("lambda_min", "lambda_max"))
def hrpo_shut(recipe: Recipe) -> Recipe:
    """Embeddings are kept whole, so tokens alone are read."""
    thinking = recipe.engine.thinking
    assert thinking is not None
    shut = replace(thinking, lambda_min=1.0, lambda_max=1.0)
    return replace(recipe, engine=replace(recipe.engine, thinking=shut))

"""The placebo of ZPG: moves of the same size that do not know which half was better."""

from dataclasses import replace

from forage.methods.algorithms.zpg import zpg
from forage.methods.catalogue import variant
from forage.training.recipe import Recipe


@variant(zpg, kind="control", seam="Explore, Loss", paper="control of arXiv 2409.17401")
def zpg_random(recipe: Recipe) -> Recipe:
    """The sign of each move is drawn."""
    perturbation = recipe.optimization.perturbation
    assert perturbation is not None
    changed = replace(recipe.optimization, perturbation=replace(perturbation, random=True))
    return replace(recipe, optimization=changed)

"""Negative sample reinforcement: learn from wrong responses only (arXiv 2506.01347)."""

from forage.methods.catalogue import method
from forage.methods.signed import Denominator, signed_recipe
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2506.01347")
def nsr(recipe: Recipe, *, denominator: Denominator = "kept", clip: float = 0.2) -> Recipe:
    """Wrong responses lose probability; right ones are left out, by default of the mean over tokens too."""
    return signed_recipe(recipe, positive=0.0, negative=-1.0, denominator=denominator, clip=clip)

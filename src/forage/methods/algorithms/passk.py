"""The pass@k advantage: train the best of k instead of the mean (arXiv 2508.10751; 2505.15201)."""

from dataclasses import replace

from forage.methods.algorithms.grpo import grpo
from forage.methods.catalogue import method
from forage.parts.credit.baseline.pass_at_k import PassAtK
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.pipeline import Credit
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2508.10751")
def passk(recipe: Recipe, *, k: int = 4, scale: bool = True) -> Recipe:
    """The exact expected advantage of a response under the unbiased pass@k objective, in place of its own reward.

    `scale` divides by the standard deviation of these advantages within the group, as GRPO does with rewards; without
    it the expected gradient is that of pass@k itself times (1 - k/n)/k for n siblings.
    """
    baselines = (PassAtK(k=k), StdScale()) if scale else (PassAtK(k=k),)
    return replace(grpo.function(recipe), credit=Credit(baselines=baselines))

"""TailRL: MaxRL for graded rewards (arXiv 2609.02987)."""

from dataclasses import replace

from forage.methods.algorithms.dr_grpo import dr_grpo
from forage.methods.catalogue import method
from forage.parts.credit.baseline.tail_rl import TailRL
from forage.parts.credit.pipeline import Credit
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2609.02987")
def tailrl(recipe: Recipe, *, clip: float = 0.2) -> Recipe:
    """Dr. GRPO with the advantage of the logarithm of P(reward > t), summed over thresholds t."""
    return replace(dr_grpo.function(recipe, clip=clip), credit=Credit(baselines=(TailRL(),)))

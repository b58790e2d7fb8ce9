"""MaxRL: maximize the logarithm of success instead of success (arXiv 2602.02710)."""

from dataclasses import replace

from forage.methods.algorithms.dr_grpo import dr_grpo
from forage.methods.catalogue import method
from forage.parts.credit.baseline.max_rl import MaxRL
from forage.parts.credit.pipeline import Credit
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2602.02710")
def maxrl(recipe: Recipe, *, clip: float = 0.2) -> Recipe:
    """Dr. GRPO with (r - mean) / mean: rare successes count more, up to n - 1 for one success among n siblings."""
    return replace(dr_grpo.function(recipe, clip=clip), credit=Credit(baselines=(MaxRL(),)))

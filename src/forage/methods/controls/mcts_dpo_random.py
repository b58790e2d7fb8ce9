"""The control of MCTS-DPO: the pairs of the same trees, labeled by a coin."""

from dataclasses import replace

from forage.methods.algorithms.mcts_dpo import mcts_dpo
from forage.methods.catalogue import variant
from forage.parts.signals.step_pairs import StepPairs
from forage.training.recipe import Recipe


@variant(mcts_dpo, kind="control", seam="Explore, Assign", paper="control of arXiv 2405.00451")
def mcts_dpo_random(recipe: Recipe) -> Recipe:
    """The same search, pairs and smoothing; which step of a pair is the preferred one is random."""
    signals = [replace(each, labels="random") if isinstance(each, StepPairs) else each for each in recipe.signals]
    return replace(recipe, signals=tuple(signals))

"""Responses forked where uncertainty has risen (after ARPO, arXiv 2507.19849)."""

from forage.methods.catalogue import method
from forage.methods.parts import with_explore
from forage.parts.explore.entropy_forks import EntropyForks
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Explore", paper="after arXiv 2507.19849", needs="step ends")
def entropy_forks(
    recipe: Recipe,
    *,
    roots: float = 0.5,
    weight: float = 0.2,
    base: float = 0.5,
    window: int = 20,
    unit: float = 11.93,
) -> Recipe:
    """Half of the responses begin at the problem, the others go on from ends of steps, rather where entropy has risen.

    Exactly `group_size` responses; forks are forked in turn. `weight=0` is a coin at every end. `unit` is the nats that
    count as 1: the logarithm of the vocabulary in the paper.
    """
    explore = EntropyForks(roots=roots, weight=weight, base=base, window=window, unit=unit)
    return with_explore(recipe, explore)

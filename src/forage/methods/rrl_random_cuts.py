"""The placebo of retrospective replay: the same responses, cut anywhere."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.methods.rrl import replay_memory, with_replay
from forage.recipe import Recipe


@method(kind="control", seam="Memory", paper="control for arXiv 2504.14363")
def rrl_random_cuts(
    recipe: Recipe,
    *,
    share: float = 0.25,
    collect: float = 0.3,
    replay: float = 0.2,
    continuations: int = 8,
    traces: int = 2,
    margin: float = 0.1,
    rescore_every: int = 20,
) -> Recipe:
    """Retrospective replay of the same failures for the same tokens, but from a random step end instead of the best."""
    memory = replay_memory(recipe, share, collect, replay, continuations, traces, margin, rescore_every)
    return with_replay(recipe, replace(memory, cut="random"))

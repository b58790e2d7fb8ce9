"""Retrospective replay, inspired by RRL (arXiv 2504.14363), without a critic."""

import math
from dataclasses import replace
from typing import Any

from forage.errors import ForageError
from forage.memory.replay_schedule import ReplaySchedule
from forage.memory.restart_store import StoreLimits
from forage.memory.retrospective import RetrospectiveReplay
from forage.memory.shuffled import ShuffledProblems
from forage.methods.catalogue import method
from forage.protocols import MemoryConfig
from forage.recipe import Recipe


@method(kind="exploration", seam="Memory", paper="inspired by arXiv 2504.14363")
def rrl(
    recipe: Recipe,
    *,
    share: float = 0.25,
    collect: float = 0.3,
    replay: float = 0.2,
    continuations: int = 8,
    traces: int = 2,
    margin: float = 0.1,
    rescore_every: int = 20,
    steps: int = 0,
) -> Recipe:
    """Promising prefixes of early failures are kept and started from again later; only new tokens are learned from.

    `share` of a step's groups start from kept prefixes; states are kept in the first `collect` of the steps and come
    back from the fraction `replay` on. Values are means of `continuations` samples, whose tokens count. Fractions are
    of `steps` (0: of `--steps`); with a budget of `--tokens` give about the number of steps that it lasts for.
    """
    if not (0 <= collect <= 1 and 0 <= replay <= 1):
        raise ForageError(f"collect and replay are fractions of the run, 0 ... 1, not {collect} and {replay}.")
    if steps < 0:
        raise ForageError(f"steps is what the fractions are of, 0 (all of the run's) or more, not {steps}.")
    steps = steps or recipe.schedule.steps
    tenth = max(1, steps // 10)
    schedule = ReplaySchedule(
        last=steps,
        collect_until=math.ceil(collect * steps),
        replay_from=max(1, math.ceil(replay * steps)),
        share=share,
        ramp=tenth,
        fade=tenth,
    )
    memory = RetrospectiveReplay(
        schedule=schedule,
        limits=StoreLimits(total=4 * len(recipe.task.problems("train"))),
        continuations=continuations,
        traces=traces,
        margin=margin,
        rescore_every=rescore_every,
    )
    return with_replay(recipe, memory)


def with_replay(recipe: Recipe, memory: MemoryConfig) -> Recipe:
    """The recipe with this memory. Raises ForageError where it has another than fresh problems."""
    if not isinstance(recipe.memory, ShuffledProblems):
        raise ForageError("The recipe has a memory of its own already; two cannot share the starts of a step.")
    return replace(recipe, memory=memory)


def vary_replay(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other settings in its memory, which `rrl` put there."""
    if not isinstance(recipe.memory, RetrospectiveReplay):
        raise TypeError(f"{type(recipe.memory).__name__} is not the memory of retrospective replay")
    return replace(recipe, memory=replace(recipe.memory, **changes))

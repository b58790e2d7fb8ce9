"""Retrospective replay, inspired by RRL (arXiv 2504.14363)."""

import math
from dataclasses import replace
from typing import Any

from forage.core.errors import ForageError
from forage.core.protocols import MemoryConfig
from forage.engines.critic_training import CriticTraining
from forage.methods.catalogue import method
from forage.parts.memory.replay_schedule import ReplaySchedule
from forage.parts.memory.restart_store import StoreLimits
from forage.parts.memory.retrospective import RetrospectiveReplay
from forage.parts.memory.shuffled import ShuffledProblems
from forage.parts.values import CriticValues, MonteCarlo, ValueSource
from forage.training.recipe import Recipe

MARGINS = {"monte-carlo": 0.1, "critic": 0.0}
"""By where values come from: how much more than its problem a state must be worth."""


@method(kind="exploration", seam="Memory", paper="inspired by arXiv 2504.14363", needs="step ends")
def rrl(
    recipe: Recipe,
    *,
    share: float = 0.25,
    collect: float = 0.3,
    replay: float = 0.2,
    continuations: int = 8,
    traces: int = 2,
    margin: float | None = None,
    rescore_every: int = 20,
    steps: int = 0,
    value: str = "monte-carlo",
    equal: str = "tokens",
    solutions: bool = False,
) -> Recipe:
    """Promising prefixes of early failures are kept and started from again later; only new tokens are learned from.

    `share` of a step's groups start from kept prefixes; states are kept in the first `collect` of the steps and come
    back from the fraction `replay` on. Fractions are of `steps` (0: of `--steps`); with a budget of `--tokens` give
    about the number of steps that it lasts for. Values are means of `continuations` samples, whose tokens count, or of
    `value=critic` what the critic of `ppo` says; `equal=state` values once what the task calls one state. A state is
    kept where it is worth `margin` more than its problem (None: 0.1 by continuations, 0 by a critic, whose values lie
    close together while it is young). With `solutions` prefixes of the task's own right responses are kept too, where
    they promise as much. Where the reward of a model takes the verdict's place, failures are the responses below the
    mean of their siblings.
    """
    if not (0 <= collect <= 1 and 0 <= replay <= 1):
        raise ForageError(f"collect and replay are fractions of the run, 0 ... 1, not {collect} and {replay}.")
    if steps < 0:
        raise ForageError(f"steps is what the fractions are of, 0 (all of the run's) or more, not {steps}.")
    if solutions and recipe.task.reference(recipe.task.problems("train")[0]) is None:
        raise ForageError(f"solutions=true needs a task that knows right responses; {recipe.task.name} knows none.")
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
        values=value_source(recipe, value, continuations, equal),
        traces=traces,
        margin=MARGINS[value] if margin is None else margin,
        rescore_every=rescore_every,
        solutions=solutions,
    )
    return with_replay(recipe, memory)


def value_source(recipe: Recipe, value: str, continuations: int, equal: str) -> ValueSource:
    """Where `rrl` takes values from. Raises ForageError where the recipe cannot serve them."""
    if value == "critic":
        if not isinstance(recipe.critic, CriticTraining):
            raise ForageError("value=critic needs a method that trains a critic before it, such as ppo.")
        return CriticValues()
    if value != "monte-carlo":
        raise ForageError(f"value must be monte-carlo or critic, not {value!r}.")
    return monte_carlo(recipe, continuations, equal)


def monte_carlo(recipe: Recipe, continuations: int, equal: str) -> MonteCarlo:
    """Continuations, of every start (equal="tokens") or once of what the task calls one state (equal="state")."""
    if equal == "tokens":
        return MonteCarlo(continuations=continuations)
    if equal != "state":
        raise ForageError(f"equal must be tokens or state, not {equal!r}.")
    if recipe.task.state(recipe.task.problems("train")[0], "") is None:
        raise ForageError(f"equal=state needs a task that names states; {recipe.task.name} does not.")
    return MonteCarlo(continuations=continuations, equal="state")


def with_replay(recipe: Recipe, memory: MemoryConfig) -> Recipe:
    """The recipe with this memory. Raises ForageError where it has another than fresh problems."""
    if not isinstance(recipe.memory, ShuffledProblems):
        raise ForageError(
            "The recipe has a memory of its own already; two cannot share the starts of a step. Where that one only "
            "keeps responses (mode_replay, ...), give it after the method that draws the starts."
        )
    return replace(recipe, memory=memory)


def vary_replay(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other settings in its memory, which `rrl` put there."""
    if not isinstance(recipe.memory, RetrospectiveReplay):
        raise TypeError(f"{type(recipe.memory).__name__} is not the memory of retrospective replay")
    return replace(recipe, memory=replace(recipe.memory, **changes))

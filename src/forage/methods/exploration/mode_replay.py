"""Replay of verified modes: Re:Dr on Dr. GRPO, Re:Max on MaxRL (ModeBench, 2026)."""

from dataclasses import replace
from typing import Any, Literal

from forage.methods.catalogue import method
from forage.methods.parts import WayKey, add_demonstrations, key_task, named_ways
from forage.ops.exemplars import replay_scale
from forage.parts.losses.demonstrations import Likelihood
from forage.parts.memory.verified_modes import VerifiedModes
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory, Loss", paper="ModeBench 2026 (Re:Dr, Re:Max)", needs="modes")
def mode_replay(
    recipe: Recipe,
    *,
    coefficient: float = 0.1,
    slots: int = 16,
    shares: Literal["uniform", "tokens"] = "uniform",
    key: WayKey = "mode",
) -> Recipe:
    """Keeps a right response of every mode that was ever sampled, and learns from all of a problem's with equal weight.

    Adds coefficient * (G - 1) / G^2 * mean over the problem's kept modes of the mean over tokens of -log pi to the loss
    of its group of G siblings; with shares="tokens" the mean over all tokens of the problem's kept modes, so that the
    choice of a mode with a long response counts as much. At most `slots` modes of a problem are kept. Siblings, their
    mean and their sampling are what they are without it. `key` names the modes: the task's, "answer", "text" or "grams"
    (clusters of like texts).
    """
    names = named_ways(key)
    task = key_task(recipe, names, "mode_replay")
    memory = VerifiedModes(inner=recipe.memory, slots=slots, shares=shares, key=names, task=task)
    return add_demonstrations(recipe, memory, Likelihood(coefficient=scaled(recipe, coefficient)))


def scaled(recipe: Recipe, coefficient: float) -> float:
    """The strength beside a policy gradient that is centered over the recipe's siblings."""
    return coefficient * replay_scale(recipe.grouping.group_size)


def vary_modes(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other settings in its memory, which `mode_replay` put there."""
    assert isinstance(recipe.memory, VerifiedModes)
    return replace(recipe, memory=replace(recipe.memory, **changes))

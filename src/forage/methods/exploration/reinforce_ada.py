"""Reinforce-Ada: rounds of sampling until a problem shows both sides, learned from in balance (arXiv 2510.04996)."""

from typing import Literal

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_signal, with_explore, without_std
from forage.parts.credit.shape.only_balanced import OnlyBalanced
from forage.parts.explore.adaptive_rounds import AdaptiveRounds
from forage.parts.signals.balanced import Balanced
from forage.training.recipe import Recipe

OUTCOMES = {"balanced": (2, 2), "positive": (1, 0)}
"""How many right and wrong responses a problem is sampled for, by the rule."""


@method(kind="exploration", seam="Explore, Shape", paper="arXiv 2510.04996")
def reinforce_ada(
    recipe: Recipe,
    *,
    rule: Literal["balanced", "positive"] = "balanced",
    keep: int = 0,
    max_rounds: int = 4,
    scale: bool = False,
) -> Recipe:
    """Samples a problem in rounds of `group_size` until it has 2 right and 2 wrong responses, and learns from a few.

    `rule=positive` waits for 1 right one. Of the pool `keep` responses (0: half a round) are kept, half right and half
    wrong; the baseline is the mean of the whole pool. Responses cost what was sampled: compare under `--tokens`.
    """
    if rule not in OUTCOMES:
        raise ForageError(f'reinforce_ada has the rules "balanced" and "positive", not {rule!r}.')
    right, wrong = OUTCOMES[rule]
    explore = AdaptiveRounds(right=right, wrong=wrong, max_rounds=max_rounds)
    changed = with_explore(recipe if scale else without_std(recipe), explore)
    signal = Balanced(keep=keep or max(2, recipe.grouping.group_size // 2))
    return add_shape(add_signal(changed, signal), OnlyBalanced())

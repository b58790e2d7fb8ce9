"""Ways of reasoning in the place of several right answers: modes from strategic grams."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.methods.parts import strategic_grams
from forage.tasks.strategy_modes import with_strategy_modes
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Task", paper="arXiv 2509.03646 (the grams)", needs="strategic grams")
def strategy_modes(recipe: Recipe, *, grams: str = "") -> Recipe:
    """Names the mode of a right response by its sequence of strategic grams, for tasks with one right answer.

    It changes no advantage: methods that are keyed by modes come after it. `grams` is a list of strategic grams, as
    `forage grams mine` writes it, or `phrases`; grams of one cluster are one strategy.
    """
    return replace(recipe, task=with_strategy_modes(recipe.task, strategic_grams(grams, "strategy_modes")))

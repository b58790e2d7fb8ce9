"""The placebo of a bonus for rare answers: the same bonuses on other responses."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.answer_ucb import answer_ucb
from forage.parts.signals.visit_bonus import VisitBonus
from forage.training.recipe import Recipe


@variant(answer_ucb, kind="control", seam="Memory, Shape", paper="control of arXiv 2509.06941")
def answer_ucb_random(recipe: Recipe) -> Recipe:
    """The bonuses of a step are dealt anew among its responses, of whatever problem."""
    *before, signal = recipe.signals
    assert isinstance(signal, VisitBonus)
    return replace(recipe, signals=(*before, replace(signal, permuted=True)))

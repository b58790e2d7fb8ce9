"""Novelty of whole responses by random network distillation (i-MENTOR / IMAGINE, arXiv 2505.17621)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.methods.exploration.rrl import with_replay
from forage.methods.parts import add_shape, add_signal
from forage.parts.credit.assign.gae import Gae
from forage.parts.credit.shape.visit_addition import NoveltyAddition
from forage.parts.memory.novelty import Novelty
from forage.parts.signals.novelty_bonus import NoveltyBonus
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory, Shape", paper="arXiv 2505.17621")
def i_mentor(recipe: Recipe, *, height: float = 0.5, decay: float = 40.0, rate: float = 1e-3) -> Recipe:
    """Adds to the advantages of wrong responses how new they are to a predictor that learns beside the policy.

    The bonus lies in 0 to `height`, is half of that after `decay` steps, and stands behind the division by the group's
    deviation, so that it changes no statistic of the rewards. With the critic of `ppo` it is on the last token, before
    the advantages are whitened. `rate` is the learning rate of the predictor.
    """
    changed = with_replay(recipe, Novelty(height=height, decay=decay, lr=rate))
    changed = add_signal(changed, NoveltyBonus(at_end=isinstance(recipe.credit.assign, Gae)))
    *shapes, addition = add_shape(changed, NoveltyAddition()).credit.shapes
    place = next((at for at, shape in enumerate(shapes) if shape.normalizes), len(shapes))
    ordered = (*shapes[:place], addition, *shapes[place:])
    return replace(changed, credit=replace(changed.credit, shapes=ordered))

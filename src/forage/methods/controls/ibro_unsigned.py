"""The control of IBRO: the size of the advantage, without its sign."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.ibro import ibro
from forage.parts.losses.advantage_entropy import AdvantageEntropy
from forage.training.recipe import Recipe


@variant(ibro, kind="control", seam="Loss", paper="control of arXiv 2507.18391")
def ibro_unsigned(recipe: Recipe) -> Recipe:
    """The entropy term weighted by |A|: an entropy bonus of the same size that does not ask what was good."""
    *before, penalty = recipe.policy_loss.penalties
    assert isinstance(penalty, AdvantageEntropy)
    penalties = (*before, replace(penalty, unsigned=True))
    return replace(recipe, policy_loss=replace(recipe.policy_loss, penalties=penalties))

"""A control of entropy-based advantage shaping: difficulty reweighting alone."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape
from forage.parts.credit.shape.group_reweight import GroupReweight
from forage.training.recipe import Recipe


@method(kind="control", seam="Shape", paper="control of arXiv 2506.14758", control_of="entropy_advantage")
def group_reweight(recipe: Recipe, *, kappa: float = 2.0) -> Recipe:
    """A * (1 + (1 - 2p) / kappa) with p the group's success rate: what the cap does where it binds, on every token."""
    return add_shape(recipe, GroupReweight(kappa=kappa))

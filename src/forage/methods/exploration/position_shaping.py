"""Credit by position (Deng et al., arXiv 2508.02260)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape
from forage.parts.credit.shape.learning_stages import PositionBonus
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2508.02260")
def position_shaping(recipe: Recipe, *, gamma: float = 0.1, slope: float = 10.0, middle: float = 0.5) -> Recipe:
    """More credit toward the end of a response: A + sign(A) gamma sigmoid(slope (l - middle)), l in [0, 1].

    The form is the paper's; its constants are not known, so the defaults are ours.
    """
    return add_shape(recipe, PositionBonus(gamma=gamma, slope=slope, middle=middle))

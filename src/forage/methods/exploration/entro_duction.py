"""Reasoning that is deepened, branched or stopped by its uncertainty (Entro-duction, arXiv 2503.15848)."""

from forage.methods.catalogue import method
from forage.methods.parts import with_explore
from forage.parts.explore.reasoning_control import ReasoningControl, UncertaintyOf
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Explore", paper="arXiv 2503.15848", needs="step ends")
def entro_duction(
    recipe: Recipe,
    *,
    roots: float = 0.25,
    epsilon: float = 0.25,
    patience: int = 1,
    uncertainty: UncertaintyOf = "vocabulary",
) -> Recipe:
    """Chains branch where a step is surer than the one before but less evenly, and end their search where it is not.

    Exactly `group_size` responses. The paper decodes so, without training: `forage search` does that, with votes.
    """
    explore = ReasoningControl(roots=roots, epsilon=epsilon, patience=patience, uncertainty=uncertainty)
    return with_explore(recipe, explore)

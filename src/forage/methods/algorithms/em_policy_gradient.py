"""EM policy gradient: several likelihood steps on one set of sampled rationales (arXiv 2504.18587)."""

from dataclasses import replace
from typing import Literal

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.parts.credit.baseline.above_mean import AboveMean
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import Reinforce
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2504.18587")
def em_policy_gradient(recipe: Recipe, *, passes: int = 2, negative: Literal["keep", "drop"] = "keep") -> Recipe:
    """Maximizes A * log pi over `passes` passes of each batch: A minus the siblings' mean, no ratio and no clip.

    Reconstructed from the abstract. Whether negative advantages are kept is not known: `negative=drop` trains on the
    better siblings alone. Put `kl_penalty` beside it to hold the policy.
    """
    if negative not in ("keep", "drop"):
        raise ForageError(f'negative must be "keep" or "drop", not {negative!r}.')
    baseline = MeanCentre() if negative == "keep" else AboveMean()
    loss = PolicyLoss(surrogate=Reinforce(), reduction=TokenMean())
    optimization = replace(recipe.optimization, epochs=passes)
    return replace(recipe, credit=Credit(baselines=(baseline,)), policy_loss=loss, optimization=optimization)

"""DGRO: separate weights for the policy gradient and for the pull to the source policy (arXiv 2505.12951)."""

import math
from dataclasses import replace
from typing import Literal

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.parts.credit.baseline.soft_value import SoftValue
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.source_pull import ReferencePull, SamplerPull
from forage.parts.losses.surrogate import Reinforce
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss, Baseline", paper="arXiv 2505.12951", needs="the first policy")
def dgro(
    recipe: Recipe,
    *,
    gradient: float = 1.0,
    pull: float = 0.01,
    beta: float | None = None,
    source: Literal["reference", "sampler"] = "reference",
) -> Recipe:
    """gradient * (r - V) * log pi(y) - pull * (log pi(y) / pi_src(y))^2 per response, no ratio and no clip.

    V is the soft maximum of the siblings' rewards at temperature `beta`, None their mean. `source` is the policy that
    training began with, or the one that sampled. The published weights are not known, and neither is a factor 1/2 on
    the square: the defaults are ours. pull=0 is REINFORCE with the baseline V.
    """
    if source not in ("reference", "sampler"):
        raise ForageError(f'source must be "reference" or "sampler", not {source!r}.')
    baseline = SoftValue(beta=math.inf if beta is None else beta, scale=gradient)
    kind = ReferencePull if source == "reference" else SamplerPull
    penalties = (kind(coefficient=pull),) if pull else ()
    loss = PolicyLoss(surrogate=Reinforce(), reduction=TokenMean(), penalties=penalties)
    return replace(recipe, credit=Credit(baselines=(baseline,)), policy_loss=loss)

"""Hybrid latent reasoning, learned by policy optimization: HRPO (arXiv 2505.18454)."""

from dataclasses import replace

from forage.engines.hybrid_thinking import HybridThinking
from forage.methods.catalogue import method
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.penalty import KLPenalty
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import Reinforce
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss", paper="arXiv 2505.18454", needs="the first policy")
def hrpo(
    recipe: Recipe,
    *,
    lambda_min: float = 0.99,
    lambda_max: float = 0.999,
    marker: str = "####",
    gate_lr: float = 1e-4,
    lambda_lr: float = 1e-3,
    kl: float = 0.005,
) -> Recipe:
    """Reads each token as a gated blend of its embedding and of the one expected there; learns gates and weights.

    An edit of the model: tokens are sampled as ever, and gates beside the checkpoint say how much of the probability-
    weighted mean of all embeddings is read with them, until `marker` is written. Learned by one update of GRPO for each
    batch, without a clip. A step reads its responses twice, token by token, so it is slower.
    """
    thinking = HybridThinking(
        lambda_min=lambda_min,
        lambda_max=lambda_max,
        marker=marker,
        gate_lr=gate_lr,
        lambda_lr=lambda_lr,
        seed=recipe.seed,
    )
    penalties = (KLPenalty(coefficient=kl),) if kl else ()
    return replace(
        recipe,
        credit=Credit(baselines=(MeanCentre(), StdScale(eps=1e-4))),
        policy_loss=PolicyLoss(surrogate=Reinforce(), reduction=TokenMean(), penalties=penalties),
        optimization=replace(recipe.optimization, mini_batches=1, epochs=1),
        engine=replace(recipe.engine, thinking=thinking),
    )

"""How far a sampler's log-probabilities lie from those that the trainer computes with the same weights.

mu is the distribution that the sampler drew from and pi_old the trainer's, before any update. Two engines sum in other
orders and formats, so the two differ; a trainer that does not look learns off-policy without knowing it (Yao et al.
2025, "On the rollout-training mismatch in modern RL systems", OpenReview 8MHqvb4lK9).

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.ops.divergences import k3
from forage.ops.masked import masked
from forage.ops.ratios import token_ratio


def known(behaviour: Tensor, mask: Tensor) -> Tensor:
    """(B, T) bool: the tokens of `mask` whose log-probability under the sampler is a finite number."""
    return mask & behaviour.isfinite()


def mismatch(logprob: Tensor, behaviour: Tensor, mask: Tensor) -> dict[str, float]:
    """What two engines say about the same tokens: logprob (trainer's) and behaviour (sampler's), (B, T) float32, nats.

    `mismatch`: mean |log pi_old - log mu| over the known tokens, and `mismatch_max` the largest; `mismatch_kl`:
    KL(mu || pi_old) per token, estimator k3; `mismatch_unknown`: share of tokens whose log-probability is not finite.
    All are 0 where nothing is known.
    """
    seen = known(behaviour, mask)
    ours, theirs = masked(logprob, seen), masked(behaviour, seen)
    distance = (ours - theirs).abs()
    count = seen.sum().clamp_min(1)
    return {
        "mismatch": float(distance.double().sum() / count),
        "mismatch_max": float(distance.max()) if distance.numel() else 0.0,
        "mismatch_kl": float(k3(theirs.double(), ours.double()).sum() / count),
        "mismatch_unknown": float((mask & ~seen).sum() / mask.sum().clamp_min(1)),
    }


@torch.no_grad()
def truncated_weight(logprob: Tensor, behaviour: Tensor, mask: Tensor, *, cap: float) -> Tensor:
    """min(pi_old / mu, cap), (B, T) float32; 1 off the mask and where the sampler's log-probability is not known.

    Truncated importance weights: bias, bounded by what the cap cuts off, for a bounded variance (Ionides 2008; per
    action as in IMPALA, arXiv 1802.01561, section 4.1; between the engines of one run in Yao et al. 2025). `cap` >= 1.
    """
    if cap < 1:
        raise ValueError(f"importance weights are truncated at 1 or more, not {cap}")
    return token_ratio(logprob, behaviour, known(behaviour, mask)).clamp_max(cap)

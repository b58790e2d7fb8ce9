"""How far a sampler's log-probabilities lie from those that the trainer computes with the same weights.

mu is the distribution that the sampler drew from and pi_old the trainer's, before any update. Two engines sum in other
orders and formats, so the two differ; a trainer that does not look learns off-policy without knowing it (Yao et al.
2025, "On the rollout-training mismatch in modern RL systems", OpenReview 8MHqvb4lK9).

Axes: B sequences, T tokens.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.divergences import k3
from forage.ops.masked import masked
from forage.ops.ratios import log_ratio

WeightRule = Literal["truncate", "mask"]
WeightLevel = Literal["token", "sequence"]


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
def importance_weight(
    logprob: Tensor,
    behaviour: Tensor,
    mask: Tensor,
    *,
    cap: float,
    rule: WeightRule = "truncate",
    level: WeightLevel = "token",
    floor: float = 0.0,
) -> Tensor:
    """w = pi_old / mu held in bounds, (B, T) float32; 1 off the mask and where the sampler's number is not known.

    rule "truncate": min(w, cap), bias bounded by what the cap cuts off for a bounded variance (Ionides 2008; per action
    as in IMPALA, arXiv 1802.01561, section 4.1; between the engines of one run in Yao et al. 2025). "mask": w where
    floor <= w <= cap and 0 elsewhere; per token with .5 and 5 it is IcePop (arXiv 2510.18855). level "sequence" takes
    the product over the known tokens of a row as the w of each of them. What overflows counts as infinite: held at the
    cap, or masked. Raises ForageError for bounds or names that have no meaning (`check_weight`).
    """
    check_weight(cap=cap, rule=rule, level=level, floor=floor)
    seen = known(behaviour, mask)
    logs = log_ratio(logprob, behaviour, seen)
    ratio = (logs if level == "token" else logs.sum(1, keepdim=True).expand_as(logs)).exp()
    weight = ratio.clamp_max(cap) if rule == "truncate" else ratio.where((ratio >= floor) & (ratio <= cap), 0)
    return weight.where(seen, 1.0)


def check_weight(*, cap: float, rule: str, level: str, floor: float) -> None:
    """Raises ForageError unless cap >= 1, 0 <= floor <= 1 with a floor under "mask" only, and the names are known."""
    if not cap >= 1:
        raise ForageError(f"Importance weights are truncated or masked at 1 or more (cap), not {cap}.")
    if rule not in get_args(WeightRule) or level not in get_args(WeightLevel):
        raise ForageError(
            'Importance weights are held by "truncate" or "mask", on a "token" or a "sequence", not '
            f"{rule!r} on {level!r}."
        )
    if not 0 <= floor <= 1 or (floor and rule != "mask"):
        raise ForageError(f'A floor of importance weights lies in [0, 1] and goes with "mask" only, not {floor}.')

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
    """What two engines say about the same tokens (Yao et al. 2025, OpenReview 8MHqvb4lK9).

        mismatch = mean |log pi_old - log mu|, mismatch_kl = KL(mu || pi_old) per token by the estimator k3

    Args:
        logprob: (B, T) float, log pi_old by the trainer, before any update.
        behaviour: (B, T) float, log mu by the sampler; not finite where it is not known.
        mask: (B, T) bool.

    Returns:
        A dict of floats in nats over the known tokens: `mismatch`, `mismatch_max` (the largest), `mismatch_kl`, and the
        share `mismatch_unknown` of tokens that are not known. All are 0 where nothing is known.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> trainer, sampler = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-1.0, torch.nan]])
        >>> mismatch(trainer, sampler, torch.ones(1, 2, dtype=torch.bool))
        {'mismatch': 0.0, 'mismatch_max': 0.0, 'mismatch_kl': 0.0, 'mismatch_unknown': 0.5}
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
    """The weight that corrects for a sampler that is not quite the trainer's policy, held in bounds.

        w = pi_old / mu;  "truncate": min(w, cap);  "mask": w where floor <= w <= cap, else 0

    Truncated importance sampling (Ionides 2008; per action as in IMPALA, arXiv 1802.01561, section 4.1; between two
    engines Yao et al. 2025). "mask" per token with .5 and 5 is IcePop (arXiv 2510.18855).

    Args:
        logprob: (B, T) float, log pi_old by the trainer, before any update.
        behaviour: (B, T) float, log mu by the sampler; not finite where it is not known.
        mask: (B, T) bool.
        cap: 1 or more.
        rule: "truncate" or "mask".
        level: "token", or "sequence" for the product over the known tokens of a row.
        floor: in [0, 1], with "mask" only.

    Returns:
        (B, T) float32 without a gradient; 1 off the mask and where the sampler's number is not known.

    Raises:
        ForageError: bounds or names without a meaning.
        ValueError: the shapes differ.

    Example:
        >>> trainer, sampler = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.1, 0.4]]).log()
        >>> importance_weight(trainer, sampler, torch.ones(1, 2, dtype=torch.bool), cap=2.0)
        tensor([[2.0000, 1.2500]])
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

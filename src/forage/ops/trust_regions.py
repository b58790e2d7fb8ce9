"""Losses of tokens under other trust regions than PPO's clip: a bound on probabilities, a soft gate, bounded slopes.

r = pi / mu is the ratio to the policy that sampled. Each returns the loss, (B, T), and where the rule held a token
back, (B, T) bool; only `logprob` has a gradient, and where r = 1 that is -A. Axes: B sequences, T tokens.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked
from forage.ops.ratios import clip, token_ratio

Divergence = Literal["tv", "kl"]

RATIO_CAP = 20.0
"""The largest weight that `dppo` gives a token."""


def dppo(
    logprob: Tensor, behaviour: Tensor, advantage: Tensor, mask: Tensor, *, bound: float, divergence: Divergence = "tv"
) -> tuple[Tensor, Tensor]:
    """-sg[min(r, 20)] A log pi, and 0 on tokens that have moved too far where A wants them to (arXiv 2602.04879).

    "tv": A > 0 and p - p_old > bound, or A < 0 and p_old - p > bound; "kl": the same directions with the divergence
    KL(p_old || p) of "this token or another" above the bound. A rare token may so change its ratio a hundredfold.
    logprob, behaviour and advantage (B, T) float, mask (B, T) bool. Raises ForageError unless bound > 0.
    """
    check_dppo(bound, divergence)
    ratio = token_ratio(logprob.detach(), behaviour, mask)
    new, old = masked(logprob.detach(), mask).exp(), masked(behaviour, mask).exp()
    distance = (new - old).abs() if divergence == "tv" else _binary_divergence(old.double(), new.double())
    advantage = masked(advantage, mask)
    dropped = mask & (distance > bound) & (((advantage > 0) & (new > old)) | ((advantage < 0) & (new < old)))
    loss = -ratio.clamp_max(RATIO_CAP) * advantage * masked(logprob, mask)
    return loss.masked_fill(dropped, 0), dropped


def sapo(
    logprob: Tensor, behaviour: Tensor, advantage: Tensor, mask: Tensor, *, tau_positive: float, tau_negative: float
) -> tuple[Tensor, Tensor]:
    """-(4 / tau) sigmoid(tau (r - 1)) A: a gate that closes gradually instead of a clip (arXiv 2511.20347).

    `tau_positive` where A > 0, `tau_negative` elsewhere; the slope by r is 1 at r = 1 and falls on both sides. Nothing
    is ever held back altogether. Raises ForageError unless both are above 0.
    """
    check_sapo(tau_positive, tau_negative)
    advantage = masked(advantage, mask)
    tau = torch.where(advantage > 0, tau_positive, tau_negative)
    gate = 4 / tau * torch.sigmoid(tau * (token_ratio(logprob, behaviour, mask) - 1))
    return -gate * advantage, torch.zeros_like(mask)


def ce_gppo(
    logprob: Tensor,
    behaviour: Tensor,
    advantage: Tensor,
    mask: Tensor,
    *,
    low: float,
    high: float,
    keep_low: float,
    keep_high: float,
) -> tuple[Tensor, Tensor]:
    """PPO's clip with a bounded gradient left on the tokens that it stops (CE-GPPO, arXiv 2509.20712).

    A < 0 and r < 1 - low: the gradient of keep_low (1 - low) r / sg[r] A; A > 0 and r > 1 + high: that of
    keep_high (1 + high) r / sg[r] A. The value is PPO's; with both 0 so is the gradient.
    """
    check_ce_gppo(keep_low, keep_high)
    advantage = masked(advantage, mask)
    ratio = token_ratio(logprob, behaviour, mask)
    bounded = clip(ratio.detach(), low, high)
    held = ((advantage < 0) & (ratio < 1 - low)) | ((advantage > 0) & (ratio > 1 + high))
    keep = torch.where(advantage > 0, keep_high, keep_low)
    slope = bounded * (1 + keep * (ratio / ratio.detach() - 1))
    return -torch.where(held, slope, ratio) * advantage, held.detach()


def check_dppo(bound: float, divergence: str) -> None:
    """Raises ForageError for a bound that is not above 0 or an unknown divergence."""
    if not bound > 0:
        raise ForageError(f"The bound of the divergence must be above 0, not {bound}.")
    if divergence not in get_args(Divergence):
        raise ForageError(f'The divergence is "tv" or "kl", not {divergence!r}.')


def check_sapo(tau_positive: float, tau_negative: float) -> None:
    """Raises ForageError unless both temperatures are above 0."""
    if not (tau_positive > 0 and tau_negative > 0):
        raise ForageError(f"The temperatures of the gate must be above 0, not {tau_positive} and {tau_negative}.")


def check_ce_gppo(keep_low: float, keep_high: float) -> None:
    """Raises ForageError unless both shares are 0 or more."""
    if not (keep_low >= 0 and keep_high >= 0):
        raise ForageError(f"The shares of the gradient must be 0 (PPO) or more, not {keep_low} and {keep_high}.")


def _binary_divergence(old: Tensor, new: Tensor) -> Tensor:
    """KL of two coins in nats; where both probabilities round to 1 or 0 it is 0."""
    tiny = torch.finfo(torch.float64).tiny
    heads = torch.special.xlogy(old, old / new.clamp_min(tiny))
    return heads + torch.special.xlogy(1 - old, (1 - old) / (1 - new).clamp_min(tiny))

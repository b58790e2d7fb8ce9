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
from forage.ops.surrogates import check_bounds

Divergence = Literal["tv", "kl"]

RATIO_CAP = 20.0
"""The largest weight that `dppo` gives a token."""


def dppo(
    logprob: Tensor, behaviour: Tensor, advantage: Tensor, mask: Tensor, *, bound: float, divergence: Divergence = "tv"
) -> tuple[Tensor, Tensor]:
    """A bound on how far a probability may move, instead of a clip of its ratio (DPPO, arXiv 2602.04879).

        loss = -sg[min(r, 20)] A log pi, and 0 on tokens that moved farther than the bound where A wants them to go

    "tv": A > 0 and p - p_old > bound, or A < 0 and p_old - p > bound. "kl": the same directions with the divergence
    KL(p_old || p) of "this token or another" above the bound. A rare token may so change its ratio a hundredfold.

    Args:
        logprob: (B, T) float, log pi of the sampled tokens under the policy being updated.
        behaviour: (B, T) float, their log-probability under the policy that sampled.
        advantage: (B, T) float, A.
        mask: (B, T) bool, the tokens that are learned from.
        bound: above 0.
        divergence: "tv" or "kl".

    Returns:
        loss: (B, T) float, 0 off the mask; the gradient flows through `logprob` only.
        clipped: (B, T) bool, the tokens that were dropped.

    Raises:
        ForageError: the bound is not above 0, or the divergence is unknown.
        ValueError: the shapes differ.

    Example:
        >>> new, old = torch.tensor([[0.75, 0.75]]), torch.tensor([[0.5, 0.5]])
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> dppo(new.log(), old.log(), torch.tensor([[1.0, -1.0]]), mask, bound=0.2)
        (tensor([[ 0.0000, -0.4315]]), tensor([[ True, False]]))
    """
    check_dppo(bound, divergence)
    ratio = token_ratio(logprob.detach(), behaviour, mask)
    new, old = masked(logprob.detach(), mask).exp(), masked(behaviour, mask).exp()
    distance = (new - old).abs() if divergence == "tv" else _binary_divergence(old.double(), new.double())
    advantage = masked(advantage.detach(), mask)
    dropped = mask & (distance > bound) & (((advantage > 0) & (new > old)) | ((advantage < 0) & (new < old)))
    loss = -ratio.clamp_max(RATIO_CAP) * advantage * masked(logprob, mask)
    return loss.masked_fill(dropped, 0), dropped


def sapo(
    logprob: Tensor, behaviour: Tensor, advantage: Tensor, mask: Tensor, *, tau_positive: float, tau_negative: float
) -> tuple[Tensor, Tensor]:
    """A gate that closes gradually instead of a clip (SAPO, arXiv 2511.20347).

        loss = -(4 / tau) sigmoid(tau (r - 1)) A

    The slope by r is 1 at r = 1 and falls on both sides, so nothing is ever held back altogether.

    Args:
        logprob: (B, T) float, log pi of the sampled tokens under the policy being updated.
        behaviour: (B, T) float, their log-probability under the policy that sampled.
        advantage: (B, T) float, A.
        mask: (B, T) bool, the tokens that are learned from.
        tau_positive: tau where A > 0, above 0.
        tau_negative: tau elsewhere, above 0.

    Returns:
        loss: (B, T) float, 0 off the mask; the gradient flows through `logprob` only.
        clipped: (B, T) bool, nowhere True.

    Raises:
        ForageError: a temperature is not above 0.
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 1, dtype=torch.bool)
        >>> sapo(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1), mask, tau_positive=1.0, tau_negative=1.0)
        (tensor([[-2.]]), tensor([[False]]))
    """
    check_sapo(tau_positive, tau_negative)
    advantage = masked(advantage.detach(), mask)
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

        A < 0 and r < 1 - low: the gradient of keep_low (1 - low) r / sg[r] A
        A > 0 and r > 1 + high: the gradient of keep_high (1 + high) r / sg[r] A

    The value is that of `ppo_clip`; with keep_low = keep_high = 0 so is the gradient.

    Args:
        logprob: (B, T) float, log pi of the sampled tokens under the policy being updated.
        behaviour: (B, T) float, their log-probability under the policy that sampled.
        advantage: (B, T) float, A.
        mask: (B, T) bool, the tokens that are learned from.
        low: how far the ratio may fall below 1, in [0, 1].
        high: how far the ratio may rise above 1, 0 or more.
        keep_low: the share of the gradient kept below, 0 or more.
        keep_high: the share of the gradient kept above, 0 or more.

    Returns:
        loss: (B, T) float, 0 off the mask; the gradient flows through `logprob` only.
        clipped: (B, T) bool, the tokens beyond a bound.

    Raises:
        ForageError: a bound or a share lies outside its range.
        ValueError: the shapes differ.

    Example:
        >>> logprob = torch.tensor([[2.0]]).log().requires_grad_()
        >>> one, mask = torch.ones(1, 1), torch.ones(1, 1, dtype=torch.bool)
        >>> loss, _ = ce_gppo(logprob, one * 0, one, mask, low=0.2, high=0.25, keep_low=0.5, keep_high=0.5)
        >>> loss.item(), torch.autograd.grad(loss.sum(), logprob)[0].item()
        (-1.25, -0.625)
    """
    check_bounds(low, high)
    check_ce_gppo(keep_low, keep_high)
    advantage = masked(advantage.detach(), mask)
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

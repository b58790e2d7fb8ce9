"""Importance ratios between the policy being updated and the policy that sampled.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.ops.masked import masked, masked_mean, require_shape


def log_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor) -> Tensor:
    """log pi(token) - log mu(token), (B, T), on the mask; 0 off it. `logprob` may carry gradients, `behaviour` not."""
    require_shape(tuple(logprob.shape), behaviour=behaviour, mask=mask)
    return masked(logprob, mask) - masked(behaviour.detach(), mask)


def token_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor) -> Tensor:
    """pi(token) / mu(token), (B, T); 1 off the mask."""
    return log_ratio(logprob, behaviour, mask).exp()


def sequence_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor) -> Tensor:
    """The length-normalized ratio of whole sequences, on every token: (pi(y) / mu(y)) ** (1 / |y|), (B, T).

    GSPO, arXiv 2507.18071, equation 7, in the token form of equations 13 and 14: all tokens of a sequence have the same
    value, and the gradient of token t is the value times the gradient of its own log-probability. With one advantage
    per sequence and a mean per sequence this is GSPO itself; with an advantage per token it stays meaningful.
    """
    per_token = log_ratio(logprob, behaviour, mask)
    level = masked_mean(per_token.detach(), mask, dim=1)[:, None]
    # exp(x - sg[x]) is 1 and has the gradient of x.
    return masked(level.exp() * (per_token - per_token.detach()).exp(), mask) + (~mask).to(logprob.dtype)


def clip(ratio: Tensor, low: float, high: float) -> Tensor:
    """The ratio held between 1 - low and 1 + high."""
    return torch.clamp(ratio, 1 - low, 1 + high)

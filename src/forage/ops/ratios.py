"""Importance ratios between the policy being updated and the policy that sampled.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.ops.masked import masked, masked_mean, require_shape


def log_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor) -> Tensor:
    """The log-ratio of the policy being updated to the one that sampled (arXiv 1707.06347, section 3, in logarithms).

        log r = log pi(token) - log mu(token)

    Its absolute value on the tokens of `kl_cov_tokens` is the penalty of KL-Cov (arXiv 2505.22617).

    Args:
        logprob: (B, T) float, log pi; may carry a gradient.
        behaviour: (B, T) float, log mu; carries none.
        mask: (B, T) bool.

    Returns:
        (B, T) float, 0 off the mask.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> log_ratio(torch.tensor([[-1.0, -1.0]]), torch.tensor([[-1.5, -9.0]]), torch.tensor([[True, False]]))
        tensor([[0.5000, 0.0000]])
    """
    require_shape(tuple(logprob.shape), behaviour=behaviour, mask=mask)
    return masked(logprob, mask) - masked(behaviour.detach(), mask)


def token_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor) -> Tensor:
    """The importance ratio of each token (arXiv 1707.06347, section 3).

        r = pi(token) / mu(token)

    Args:
        logprob: (B, T) float, log pi; may carry a gradient.
        behaviour: (B, T) float, log mu; carries none.
        mask: (B, T) bool.

    Returns:
        (B, T) float, 1 off the mask.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> token_ratio(torch.tensor([[0.5]]).log(), torch.tensor([[0.25]]).log(), torch.tensor([[True]]))
        tensor([[2.]])
    """
    return log_ratio(logprob, behaviour, mask).exp()


def sequence_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor) -> Tensor:
    """The length-normalized ratio of whole sequences, on every token (GSPO, arXiv 2507.18071, equation 7).

        s = (pi(y) / mu(y))^(1 / |y|)

    In the token form of equations 13 and 14: all tokens of a sequence have the same value, and the gradient of token t
    is the value times the gradient of its own log-probability.

    Args:
        logprob: (B, T) float, log pi; may carry a gradient.
        behaviour: (B, T) float, log mu; carries none.
        mask: (B, T) bool.

    Returns:
        (B, T) float, 1 off the mask.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> ratio = torch.tensor([[4.0, 1.0]])
        >>> sequence_ratio(ratio.log(), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))
        tensor([[2., 2.]])
    """
    per_token = log_ratio(logprob, behaviour, mask)
    level = masked_mean(per_token.detach(), mask, dim=1)[:, None]
    # exp(x - sg[x]) is 1 and has the gradient of x.
    return masked(level.exp() * (per_token - per_token.detach()).exp(), mask) + (~mask).to(logprob.dtype)


def clip(ratio: Tensor, low: float, high: float) -> Tensor:
    """The ratio held between 1 - low and 1 + high."""
    return torch.clamp(ratio, 1 - low, 1 + high)

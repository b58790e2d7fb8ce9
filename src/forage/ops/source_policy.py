"""Policy optimization with two weights, one for the gradient and one for the pull to a source policy.

DGRO, arXiv 2505.12951, of the family of online policy mirror descent: whole responses, no ratio, no clip. Axes: B
sequences, T tokens.
"""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked_sum, require_shape
from forage.ops.segments import segments
from forage.ops.soft_labels import soft_label


def soft_value_advantage(reward: Tensor, group: Tensor, *, beta: float) -> Tensor:
    """The reward less the soft maximum of the siblings' (DGRO, arXiv 2505.12951).

        r - V,  V = beta ln mean exp(r / beta) over the judged siblings

    V is the best reward for beta -> 0 and the mean for beta = inf. Exactly 0 in a group without variance.

    Args:
        reward: (B,) float, r; NaN (not judged) stays NaN and takes no part.
        group: (B,) int64.
        beta: temperature of the soft maximum, above 0.

    Returns:
        (B,) of the dtype of `reward`.

    Raises:
        ForageError: `beta` is not above 0.

    Example:
        >>> soft_value_advantage(torch.tensor([1.0, 0.0]), torch.tensor([0, 0]), beta=1.0)  # V = ln((e + 1) / 2)
        tensor([ 0.3799, -0.6201])
    """
    check_soft_value(beta)
    groups = segments(reward, group)
    value = torch.zeros_like(groups.mean)
    for number in range(len(value)):
        rewards = reward[(groups.index == number) & groups.judged]
        if len(rewards):
            value[number] = groups.mean[number] if math.isinf(beta) else soft_label(rewards, eta=1 / beta)
    advantage = reward.double() - value[groups.index]
    return advantage.masked_fill(groups.constant[groups.index] & groups.judged, 0).to(reward.dtype)


def squared_pull(logprob: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """What pulls a policy to its source: the squared log-ratio of responses (DGRO, arXiv 2505.12951).

        (ln pi(y) / pi_src(y))^2 / n on each of the n tokens of y

    The sum of a row is the square of its response.

    Args:
        logprob: (B, T) float, log pi; may carry gradients.
        source: (B, T) float, log pi_src; no gradient passes through it.
        mask: (B, T) bool, the tokens of the responses.

    Returns:
        (B, T), 0 off the mask.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> squared_pull(torch.tensor([[-1.0, -1.0]]), torch.tensor([[-2.0, -2.0]]), mask)  # (1 + 1)^2 / 2
        tensor([[2., 2.]])
    """
    require_shape(tuple(mask.shape), logprob=logprob, source=source)
    ratio = masked_sum(logprob - source.detach(), mask, dim=1)
    share = ratio.square() / mask.sum(dim=1).clamp_min(1)
    return share[:, None] * mask


def check_soft_value(beta: float) -> None:
    """Raises ForageError unless beta is above 0."""
    if not beta > 0:
        raise ForageError(f"beta is the temperature of a soft maximum: above 0 (inf is the mean), not {beta}.")

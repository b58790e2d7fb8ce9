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
    """reward - V, V = beta ln mean exp(reward / beta) over the judged siblings: (B,), of the dtype of reward.

    V is the best reward for beta -> 0 and the mean for beta = inf. reward (B,) float, group (B,) int64; NaN stays NaN
    and takes no part. Exactly 0 in a group without variance. Raises ForageError unless beta is above 0.
    """
    check_soft_value(beta)
    groups = segments(reward, group)
    value = torch.zeros_like(groups.mean)
    for number in range(len(value)):
        siblings = reward[(groups.index == number) & groups.judged]
        if len(siblings):
            value[number] = groups.mean[number] if math.isinf(beta) else soft_label(siblings, eta=1 / beta)
    advantage = reward.double() - value[groups.index]
    return advantage.masked_fill(groups.constant[groups.index] & groups.judged, 0).to(reward.dtype)


def squared_pull(logprob: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """(ln pi(y) / pi_src(y))^2 of whole responses, an equal share of it on each token: (B, T), 0 off the mask.

    logprob (B, T) float may carry gradients; source (B, T) float, the log-probabilities of the source policy; mask
    (B, T) bool. The sum of a row is the square of its response.
    """
    require_shape(tuple(mask.shape), logprob=logprob, source=source)
    ratio = masked_sum(logprob - source.detach(), mask, dim=1)
    share = ratio.square() / mask.sum(dim=1).clamp_min(1)
    return share[:, None] * mask


def check_soft_value(beta: float) -> None:
    """Raises ForageError unless beta is above 0."""
    if not beta > 0:
        raise ForageError(f"beta is the temperature of a soft maximum: above 0 (inf is the mean), not {beta}.")

"""Old successes beside fresh siblings: what one is worth there, and how far the policy may have moved from it.

Axes: B sequences, T tokens, G siblings of one group.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape
from forage.ops.ratios import log_ratio
from forage.ops.segments import group_advantage


def replay_advantage(reward: Sequence[float], replayed: int, *, scale: Literal["none", "std"] = "none") -> float:
    """The advantage of a replayed success in a group of fresh and replayed siblings (RLEP, arXiv 2507.07451).

        A = 1 - mean(r_1 ... r_G, 1 ... 1)                  scale "none"
        A = (1 - mean) / (std + eps)                        scale "std"

    with as many ones as there are replayed siblings. It is 0 where all fresh siblings are right; where all are wrong
    there is nothing to learn from but the replayed ones.

    Args:
        reward: r, 0 or 1 for each judged fresh sibling; may be empty.
        replayed: at least 1.
        scale: "none" or "std", as in `group_advantage`.

    Returns:
        A, 0 or more.

    Raises:
        ForageError: no replayed sibling, or an unknown scale.

    Example:
        >>> replay_advantage([0.0, 0.0, 0.0, 1.0], 1)
        0.6
    """
    if replayed < 1:
        raise ForageError(f"The advantage is that of a replayed sibling, and there are {replayed}.")
    joint = torch.tensor([*reward, *[1.0] * replayed], dtype=torch.float64)
    return float(group_advantage(joint, torch.zeros(len(joint), dtype=torch.int64), scale=scale)[-1])


def shaped_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor, *, constant: float = 0.1) -> Tensor:
    """A bounded importance ratio for tokens of an earlier policy (LUFFY, arXiv 2504.14945; ExGRPO, arXiv 2510.02245).

        f = r / (r + c),   r = pi / mu

    Its gradient, c r / (r + c)^2 grad log pi, is largest at r = c: tokens that have become unlikely count most, those
    that the policy writes anyway hardly. Nothing is clipped.

    Args:
        logprob: (B, T) float, log pi; may carry gradients.
        behaviour: (B, T) float, log mu of the policy that wrote the tokens.
        mask: (B, T) bool.
        constant: c, above 0.

    Returns:
        (B, T) float in [0, 1), 0 off the mask.

    Raises:
        ForageError: the constant is not above 0.
        ValueError: the shapes differ.

    Example:
        >>> shaped_ratio(torch.tensor([[-1.0, -3.0]]), torch.tensor([[-1.0, -1.0]]), torch.tensor([[True, True]]))
        tensor([[0.9091, 0.5751]])
    """
    if not (math.isfinite(constant) and constant > 0):
        raise ForageError(f"The constant that shapes a ratio must be above 0, not {constant}.")
    require_shape(tuple(mask.shape), logprob=logprob, behaviour=behaviour)
    return masked(torch.sigmoid(log_ratio(logprob, behaviour, mask) - math.log(constant)), mask)


def difficulty_weight(right: int, group_size: int) -> float:
    """How readily problems are met again whose last group had so many right siblings (ExGRPO, arXiv 2510.02245).

        w = exp(-(k - n/2)^2 / 2)

    proportional to the density of Normal(n/2, 1): problems that are right half of the time come first.

    Args:
        right: k.
        group_size: n.

    Returns:
        w in (0, 1].

    Raises:
        ForageError: k is not in 0 ... n.

    Example:
        >>> difficulty_weight(4, 8), round(difficulty_weight(6, 8), 4)
        (1.0, 0.1353)
    """
    if not 0 <= right <= group_size:
        raise ForageError(f"{right} of {group_size} siblings cannot be right.")
    return math.exp(-((right - group_size / 2) ** 2) / 2)

"""Advantages that weigh success by how rare it is, or that learn from one side only.

All are functions of a response's own reward and of its siblings' rewards alone. Axes: B values.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape
from forage.ops.segments import segments


def maxrl_advantage(reward: Tensor, group: Tensor) -> Tensor:
    """Reward over the group's mean: maximum-likelihood reinforcement learning (MaxRL, arXiv 2602.02710).

        A = (r - mean) / mean

    With 0/1 rewards and groups of n its policy gradient is that of sum_{k < n} pass@k / k, the expansion of ln P up to
    order n - 1. Values lie in [-1, n - 1] and sum to 0 over a group.

    Args:
        reward: (B,) float, 0 or more, NaN where not judged.
        group: (B,) int64, equal numbers for siblings.

    Returns:
        (B,) of the dtype of `reward`; exactly 0 in a group without variance, NaN stays NaN.

    Raises:
        ForageError: a negative reward in a group that varies, whose mean may be 0 or turn the signs.
        ValueError: the shapes differ.

    Example:
        >>> maxrl_advantage(torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.zeros(4, dtype=torch.int64))
        tensor([ 3., -1., -1., -1.])
    """
    groups = segments(reward, group)
    constant = groups.constant[groups.index]
    if bool((reward[~constant] < 0).any()):
        raise ForageError(
            "MaxRL divides by how often a group succeeds, so rewards must be 0 or more. Leave out what takes from the "
            "verdict (an overlong penalty, a restart's price), or use TailRL or Dr. GRPO."
        )
    mean = groups.mean[groups.index]
    advantage = (reward.double() - mean) / mean.where(mean > 0, torch.ones_like(mean))
    return advantage.masked_fill(constant & groups.judged, 0).to(reward.dtype)


def tailrl_advantage(reward: Tensor, group: Tensor) -> Tensor:
    """MaxRL for graded rewards: the integral over thresholds t of ln P(r > t) (TailRL, arXiv 2609.02987).

        w_(i) = w_(i-1) + (r_(i) - r_(i-1)) / (n - i + 1),  A = w - mean(w)

    over the n judged siblings in rising order, from r_(0) = w_(0) = 0. 0/1 rewards give `maxrl_advantage` / n. An
    offset of the rewards changes nothing, so any real rewards will do.

    Args:
        reward: (B,) float, NaN where not judged.
        group: (B,) int64, equal numbers for siblings.

    Returns:
        (B,) of the dtype of `reward`; equal rewards have equal values, which sum to 0 over a group; exactly 0 in a
        group without variance, NaN stays NaN.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> tailrl_advantage(torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.zeros(4, dtype=torch.int64))
        tensor([ 0.7500, -0.2500, -0.2500, -0.2500])
    """
    groups = segments(reward, group)
    result = torch.zeros(reward.shape, dtype=torch.float64, device=reward.device)
    result[~groups.judged] = torch.nan
    for number in (~groups.constant).nonzero().flatten():
        members = ((groups.index == number) & groups.judged).nonzero().flatten()
        ordered, order = reward[members].double().sort(stable=True)
        rises = torch.diff(ordered, prepend=ordered.new_zeros(1))
        left = torch.arange(len(members), 0, -1, dtype=torch.float64, device=reward.device)
        weight = (rises / left).cumsum(0)
        result[members[order]] = weight - weight.mean()
    return result.to(reward.dtype)


def signed_advantage(reward: Tensor, *, positive: float, negative: float) -> Tensor:
    """Right and wrong responses at weights of their own, without a baseline (arXiv 2506.01347, section 3).

        A = positive where r = 1, negative where r = 0

    PSR is (1, 0), NSR (0, -1) and W-REINFORCE (0.1, -1).

    Args:
        reward: (B,) float, each 0, 1 or NaN (not judged).
        positive: the advantage of a right response.
        negative: the advantage of a wrong response.

    Returns:
        (B,) of the dtype of `reward`; NaN stays NaN.

    Raises:
        ForageError: a reward that is neither 0 nor 1.

    Example:
        >>> signed_advantage(torch.tensor([1.0, 0.0]), positive=0.5, negative=-1.0)
        tensor([ 0.5000, -1.0000])
    """
    require_shape((reward.numel(),), reward=reward)
    judged = ~reward.isnan()
    if not bool(((reward == 0) | (reward == 1) | ~judged).all()):
        raise ForageError(
            "Learning from right or wrong responses alone takes rewards of exactly 0 or 1; leave out the parts that "
            "add to the verdict or weigh it."
        )
    return torch.where(reward == 1, positive, negative).to(reward.dtype).masked_fill(~judged, torch.nan)


def nsr_advantage(reward: Tensor) -> Tensor:
    """Negative sample reinforcement: learning from wrong responses alone (NSR, arXiv 2506.01347, section 3).

        A = r - 1

    Args:
        reward: (B,) float, each 0, 1 or NaN (not judged).

    Returns:
        (B,) of the dtype of `reward`; NaN stays NaN.

    Raises:
        ForageError: a reward that is neither 0 nor 1.

    Example:
        >>> nsr_advantage(torch.tensor([1.0, 0.0]))
        tensor([ 0., -1.])
    """
    return signed_advantage(reward, positive=0.0, negative=-1.0)


def psr_advantage(reward: Tensor) -> Tensor:
    """Positive sample reinforcement: learning from right responses alone (PSR, arXiv 2506.01347, section 3).

        A = r

    Args:
        reward: (B,) float, each 0, 1 or NaN (not judged).

    Returns:
        (B,) of the dtype of `reward`; NaN stays NaN.

    Raises:
        ForageError: a reward that is neither 0 nor 1.

    Example:
        >>> psr_advantage(torch.tensor([1.0, 0.0]))
        tensor([1., 0.])
    """
    return signed_advantage(reward, positive=1.0, negative=0.0)

"""Advantages that weigh success by how rare it is, or that learn from one side only.

All are functions of a response's own reward and of its siblings' rewards alone. Axes: B values.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape
from forage.ops.segments import segments


def maxrl_advantage(reward: Tensor, group: Tensor) -> Tensor:
    """(r - mean) / mean of the group: (B,) of the dtype of `reward`; 0 in a group without variance, NaN stays NaN.

    Maximum-likelihood reinforcement learning (arXiv 2602.02710). With 0/1 rewards and groups of n, its policy gradient
    is that of sum_{k < n} pass@k / k, the expansion of log P up to order n - 1. Values lie in [-1, n - 1] and sum to 0
    over a group. reward (B,) float, 0 or more, NaN where not judged; group (B,) int64. Raises ForageError for a
    negative reward in a group that varies: its mean may be 0 or turn the signs.
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
    """MaxRL for graded rewards: w minus its mean, w_(i) = w_(i-1) + (r_(i) - r_(i-1)) / (n - i + 1) in rising order.

    arXiv 2609.02987: the integral over thresholds t of log P(r > t). r_(0) = w_(0) = 0, n judged siblings. 0/1 rewards
    give `maxrl_advantage` / n; siblings of equal reward have equal values, and they sum to 0 over a group. Because of
    that an offset of the rewards changes nothing, and any real rewards will do. Shapes and dtypes are those of
    `maxrl_advantage`.
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
    """`positive` where the reward is 1, `negative` where it is 0: (B,), NaN stays NaN.

    Positive and negative sample reinforcement and their weighted sum (arXiv 2506.01347): PSR is (1, 0), NSR (0, -1) and
    W-REINFORCE (0.1, -1). reward (B,) float. Raises ForageError for a reward that is neither 0 nor 1.
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
    """r - 1: wrong responses lose probability, right ones are not learned from. Negative sample reinforcement."""
    return signed_advantage(reward, positive=0.0, negative=-1.0)

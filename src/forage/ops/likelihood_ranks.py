"""How likely a response was among its siblings, as a rank. Axes: B values."""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def group_ranks(score: Tensor, group: Tensor) -> Tensor:
    """The rank of each score in its group, from 0 for the lowest (used by arXiv 2506.02355).

        rank_i = #{j: s_j < s_i} + (#{j: s_j = s_i} - 1) / 2

    Args:
        score: (B,) float; NaN takes no part in the ranks of the others.
        group: (B,) int64, equal numbers for siblings.

    Returns:
        (B,) float64; equal scores share the mean of their ranks, NaN stays NaN.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> group_ranks(torch.tensor([0.5, -1.0, 0.5]), torch.zeros(3, dtype=torch.int64))
        tensor([1.5000, 0.0000, 1.5000], dtype=torch.float64)
    """
    require_shape((score.numel(),), score=score, group=group)
    same = group[:, None] == group[None, :]
    lower = (same & (score[None, :] < score[:, None])).sum(1).double()
    equal = (same & (score[None, :] == score[:, None])).sum(1).double()
    return (lower + (equal - 1) / 2).masked_fill(score.isnan(), torch.nan)


def unlikeliness_reward(reward: Tensor, score: Tensor, group: Tensor, *, beta: float) -> Tensor:
    """Right responses that were less likely than their siblings keep more of their reward (arXiv 2506.02355).

        r (1 - beta rank / G), rank 0 for the least likely of the G judged siblings, right and wrong

    Args:
        reward: (B,) float, NaN where not judged.
        score: (B,) float, how likely the policy found each response; equal scores share a rank, NaN keeps its reward.
        group: (B,) int64, equal numbers for siblings.
        beta: the share of the reward that the likeliest response would lose, in [0, 1]; 0 changes nothing.

    Returns:
        (B,) of the dtype of `reward`; NaN stays NaN.

    Raises:
        ForageError: beta lies outside [0, 1].
        ValueError: the shapes differ.

    Example:
        >>> group = torch.zeros(4, dtype=torch.int64)
        >>> reward, score = torch.tensor([1.0, 1.0, 0.0, 1.0]), torch.tensor([-1.0, -4.0, -2.0, -3.0])
        >>> unlikeliness_reward(reward, score, group, beta=0.5)
        tensor([0.6250, 1.0000, 0.0000, 0.8750])
    """
    if not 0 <= beta <= 1:
        raise ForageError(f"beta is the share of the reward that the likeliest response loses: in [0, 1], not {beta}.")
    ranked = score.double().masked_fill(reward.isnan(), torch.nan)
    rank = group_ranks(ranked, group)
    size = ((group[:, None] == group[None, :]) & ~reward.isnan()[None, :]).sum(1).clamp_min(1)
    return (reward.double() * (1 - beta * rank.nan_to_num(0) / size)).to(reward.dtype)

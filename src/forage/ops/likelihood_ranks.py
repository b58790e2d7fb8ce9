"""How likely a response was among its siblings, as a rank. Axes: B values."""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def group_ranks(score: Tensor, group: Tensor) -> Tensor:
    """The rank of each score in its group, from 0 for the lowest; equal scores share the mean of their ranks.

    score (B,) float, group (B,) int64 -> (B,) float64. NaN where the score is NaN: it takes no part in the others'.
    """
    require_shape((score.numel(),), score=score, group=group)
    same = group[:, None] == group[None, :]
    lower = (same & (score[None, :] < score[:, None])).sum(1).double()
    equal = (same & (score[None, :] == score[:, None])).sum(1).double()
    return (lower + (equal - 1) / 2).masked_fill(score.isnan(), torch.nan)


def unlikeliness_reward(reward: Tensor, score: Tensor, group: Tensor, *, beta: float) -> Tensor:
    """r (1 - beta * rank / G): right responses that were less likely than their siblings keep more (arXiv 2506.02355).

    The rank of `score` (B,) float among all judged siblings, right and wrong, from 0 for the least likely; G of them.
    reward (B,) float, NaN where not judged (stays NaN); group (B,) int64. A NaN score keeps its reward. Equal scores
    get equal rewards. beta = 0 changes nothing. Raises ForageError unless 0 <= beta <= 1.
    """
    if not 0 <= beta <= 1:
        raise ForageError(f"beta is the share of the reward that the likeliest response loses: in [0, 1], not {beta}.")
    ranked = score.double().masked_fill(reward.isnan(), torch.nan)
    rank = group_ranks(ranked, group)
    size = ((group[:, None] == group[None, :]) & ~reward.isnan()[None, :]).sum(1).clamp_min(1)
    return (reward.double() * (1 - beta * rank.nan_to_num(0) / size)).to(reward.dtype)

"""Factors and additions for settled advantages that depend on how usual a response is among its siblings.

They act after centring: a factor vanishes where the advantage does, so it is silent in a group in which all are right.
Axes: B values; groups (B,) int64; NaN rewards were not judged.
"""

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape
from forage.ops.mode_rewards import mode_counts
from forage.ops.segments import segments

FLOOR = 1e-6
"""The smallest share of probability that a UCPO weight divides by."""


def inverse_weight(reward: Tensor, mode: Sequence[Hashable | None], group: Tensor, *, alpha: float = 1.0) -> Tensor:
    """n^-alpha, n the judged siblings in the response's mode; 1 without a mode: (B,) float64.

    With the modes of right responses it is "1/n after centring"; with clusters of all responses, right and wrong, it is
    the uniqueness weight of arXiv 2601.08763, under which advantages no longer add up to 0.
    """
    _check_alpha(alpha)
    same = mode_counts(reward, mode, group).same
    return torch.where(same > 0, same.clamp_min(1) ** -alpha, 1)


def cue_weight(reward: Tensor, mode: Sequence[Hashable | None], group: Tensor, *, alpha: float = 1.0) -> Tensor:
    """K n^-alpha / sum over the K right ones of n^-alpha (Cue-GRPO, arXiv 2608.03467); 1 without a mode: (B,) float64.

    Its mean over the right responses (those with a mode) is 1, so it moves credit among them and adds none.
    """
    _check_alpha(alpha)
    counts = mode_counts(reward, mode, group)
    right = counts.same > 0
    return _mean_one(counts.same.clamp_min(1) ** -alpha, right, group)


def ucpo_weight(score: Tensor, right: Tensor, group: Tensor, *, tau: float = 0.2) -> Tensor:
    """1 - tau + tau K v / sum v on right responses, v = 1 / max(q, 1e-6); 1 elsewhere (arXiv 2605.00365): (B,) float64.

    q is the softmax of `score` (B,) float, the mean log-probability per token, over the right responses of the group;
    right (B,) bool. Its mean over them is 1. Right responses whose score is NaN count as the mean of the others'
    weights. tau = 0 is 1 everywhere. Raises ForageError unless 0 <= tau <= 1.
    """
    if not 0 <= tau <= 1:
        raise ForageError(f"tau is the share of credit that goes by unlikeliness: in [0, 1], not {tau}.")
    require_shape((score.numel(),), score=score, right=right, group=group)
    known = right & score.isfinite()
    total = segments(torch.where(known, score.double().exp(), torch.nan), group)
    share = score.double().exp() / total.sum(score.double().exp())[total.index]
    return 1 - tau + tau * _mean_one(1 / share.nan_to_num(1).clamp_min(FLOOR), known, group)


def set_bonus(reward: Tensor, mode: Sequence[Hashable | None], group: Tensor) -> Tensor:
    """D(group) - D(group without the response), D the share of pairs that differ: (B,) float64.

    SetPO, arXiv 2602.01062. mode names a cluster for every judged response; 0 for one without a cluster, and in groups
    of fewer than three.
    """
    counts = mode_counts(reward, mode, group)
    size, same = counts.known, counts.same
    inside = segments(torch.where(same > 0, same - 1, torch.nan), group)
    alike = inside.sum(same - 1)[inside.index] / 2  # pairs of one cluster in the group
    pairs, fewer = size * (size - 1) / 2, (size - 1) * (size - 2) / 2
    whole, without = alike / pairs.clamp_min(1), (alike - (same - 1)) / fewer.clamp_min(1)
    return (without - whole).masked_fill((same == 0) | (size < 3), 0)


def _mean_one(weight: Tensor, chosen: Tensor, group: Tensor) -> Tensor:
    """`weight` over its mean among the chosen of the group; 1 for the others."""
    groups = segments(torch.where(chosen, weight, torch.nan), group)
    mean = groups.mean[groups.index]
    return torch.where(chosen & (mean > 0), weight / mean.where(mean > 0, torch.ones_like(mean)), 1)


def _check_alpha(alpha: float) -> None:
    if not alpha >= 0:
        raise ForageError(f"alpha is the power of a mode's size: it must be 0 (off) or more, not {alpha}.")

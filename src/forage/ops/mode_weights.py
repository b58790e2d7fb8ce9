"""Factors and additions for settled advantages that depend on how usual a response is among its siblings.

They act after centering: a factor vanishes where the advantage does, so it is silent in a group in which all are right.
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
    """A factor for settled advantages: one over the size of the response's mode (arXiv 2601.08763).

        w = n^-alpha, n the judged siblings in its mode; 1 without a mode

    With clusters of all responses, right and wrong, it is the uniqueness weight of the paper, under which advantages no
    longer add up to 0. A factor is silent where the advantage is 0; `mode_reward` is not.

    Args:
        reward: (B,) float, NaN where not judged.
        mode: a name for every response, None where it has none.
        group: (B,) int64, equal numbers for siblings.
        alpha: 0 (off) or more.

    Returns:
        (B,) float64.

    Raises:
        ForageError: alpha is below 0.
        ValueError: the lengths differ.

    Example:
        >>> inverse_weight(torch.ones(3), ["a", "a", "b"], torch.zeros(3, dtype=torch.int64))
        tensor([0.5000, 0.5000, 1.0000], dtype=torch.float64)
    """
    _check_alpha(alpha)
    same = mode_counts(reward, mode, group).same
    return torch.where(same > 0, same.clamp_min(1) ** -alpha, 1)


def cue_weight(reward: Tensor, mode: Sequence[Hashable | None], group: Tensor, *, alpha: float = 1.0) -> Tensor:
    """A factor for settled advantages whose mean over the right responses is 1 (Cue-GRPO, arXiv 2608.03467).

        w = K n^-alpha / sum over the K right ones of n^-alpha; 1 without a mode

    It moves credit among the right responses (those with a mode) and adds none.

    Args:
        reward: (B,) float, NaN where not judged.
        mode: a name for every right response, None for the others.
        group: (B,) int64, equal numbers for siblings.
        alpha: 0 (off) or more.

    Returns:
        (B,) float64.

    Raises:
        ForageError: alpha is below 0.
        ValueError: the lengths differ.

    Example:
        >>> cue_weight(torch.tensor([1.0, 1.0, 1.0, 0.0]), ["a", "a", "b", None], torch.zeros(4, dtype=torch.int64))
        tensor([0.7500, 0.7500, 1.5000, 1.0000], dtype=torch.float64)
    """
    _check_alpha(alpha)
    counts = mode_counts(reward, mode, group)
    right = counts.same > 0
    return _mean_one(counts.same.clamp_min(1) ** -alpha, right, group)


def ucpo_weight(score: Tensor, right: Tensor, group: Tensor, *, tau: float = 0.2) -> Tensor:
    """A factor for settled advantages by how unlikely a right response was (UCPO, arXiv 2605.00365).

        w = 1 - tau + tau K v / sum v,  v = 1 / max(q, 1e-6),  q = softmax of the scores of the K right responses

    Args:
        score: (B,) float, the mean log-probability per token; a right response whose score is NaN counts as the mean of
            the weights of the others.
        right: (B,) bool.
        group: (B,) int64, equal numbers for siblings.
        tau: the share of credit that goes by unlikeliness, in [0, 1].

    Returns:
        (B,) float64, with mean 1 over the right responses of a group and 1 elsewhere.

    Raises:
        ForageError: tau lies outside [0, 1].
        ValueError: the shapes differ.

    Example:
        >>> right = torch.tensor([True, True, False])
        >>> ucpo_weight(torch.tensor([0.0, -1.0, -2.0]), right, torch.zeros(3, dtype=torch.int64), tau=0.5)
        tensor([0.7689, 1.2311, 1.0000], dtype=torch.float64)
    """
    if not 0 <= tau <= 1:
        raise ForageError(f"tau is the share of credit that goes by unlikeliness: in [0, 1], not {tau}.")
    require_shape((score.numel(),), score=score, right=right, group=group)
    known = right & score.isfinite()
    total = segments(torch.where(known, score.double().exp(), torch.nan), group)
    share = score.double().exp() / total.sum(score.double().exp())[total.index]
    return 1 - tau + tau * _mean_one(1 / share.nan_to_num(1).clamp_min(FLOOR), known, group)


def set_bonus(reward: Tensor, mode: Sequence[Hashable | None], group: Tensor) -> Tensor:
    """What a response adds to the share of sibling pairs that differ (SetPO, arXiv 2602.01062).

        b_i = D(group) - D(group without i), D the share of pairs in different clusters

    Added to settled advantages it also moves groups in which all are right.

    Args:
        reward: (B,) float, NaN where not judged.
        mode: the name of a cluster for every judged response, None for one without a cluster.
        group: (B,) int64, equal numbers for siblings.

    Returns:
        (B,) float64; 0 for a response without a cluster, and in groups of fewer than three.

    Raises:
        ValueError: the lengths differ.

    Example:
        >>> set_bonus(torch.ones(3), ["a", "a", "b"], torch.zeros(3, dtype=torch.int64))
        tensor([-0.3333, -0.3333,  0.6667], dtype=torch.float64)
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

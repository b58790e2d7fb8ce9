"""Statistics of groups of siblings, in float64. A NaN value was not judged and takes no part.

A group whose judged values are all equal is found by comparing them, before any division: its deviations are exactly 0
and never a rounding residue blown up.

Axes: B values, S groups.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


@dataclass(frozen=True, slots=True)
class Segments:
    """Groups of values: `index` (B,) int64 in [0, S) names the group of each value, `judged` (B,) bool, and of every
    group `count` (S,) float64 of judged values, `mean` (S,) float64 (0 without any) and `constant` (S,) bool: whether
    all judged values are equal, as they are where there is one or none.
    """

    index: Tensor
    judged: Tensor
    count: Tensor
    mean: Tensor
    constant: Tensor

    def sum(self, values: Tensor) -> Tensor:
        """(B,) values to (S,) float64: the sums of the judged ones."""
        return _sum(values.double().masked_fill(~self.judged, 0), self.index, len(self.count))


def segments(value: Tensor, group: Tensor) -> Segments:
    """The groups of `value` (B,) float by the numbers in `group` (B,) int64. Raises ValueError for other shapes."""
    require_shape((value.numel(),), value=value, group=group)
    numbers, index = torch.unique(group, return_inverse=True)
    size, judged = len(numbers), ~value.isnan()
    exact = value.double()
    low = _extreme(exact.masked_fill(~judged, torch.inf), index, size, "amin")
    high = _extreme(exact.masked_fill(~judged, -torch.inf), index, size, "amax")
    count = _sum(judged.double(), index, size)
    # Sums are taken of distances to the lowest value, so a large common offset costs no precision.
    above = _sum((exact - low[index]).masked_fill(~judged, 0), index, size)
    mean = torch.where(count > 0, low, 0) + above / count.clamp_min(1)
    return Segments(index, judged, count, mean, low >= high)


def centre(value: Tensor, group: Tensor) -> Tensor:
    """value (B,) minus the mean of its group: (B,), exactly 0 in a group without variance, NaN stays NaN."""
    groups = segments(value, group)
    centered = (value.double() - groups.mean[groups.index]).masked_fill(_settled(groups), 0)
    return centered.to(value.dtype)


def leave_one_out(value: Tensor, group: Tensor) -> Tensor:
    """The value minus the mean of the other judged values of its group: RLOO (Kool et al. 2019; arXiv 2402.14740).

        A_i = r_i - 1 / (n - 1) sum_{j != i} r_j = n / (n - 1) (r_i - mean)

    Args:
        value: (B,) float, NaN where not judged.
        group: (B,) int64, equal numbers for siblings.

    Returns:
        (B,) of the dtype of `value`; exactly 0 in a group without variance and for a value without siblings, NaN stays
        NaN.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> leave_one_out(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0, 0, 0]))
        tensor([ 1.0000, -0.5000, -0.5000])
    """
    groups = segments(value, group)
    factor = groups.count / (groups.count - 1).clamp_min(1)
    centered = (value.double() - groups.mean[groups.index]).masked_fill(_settled(groups), 0)
    return (centered * factor[groups.index]).to(value.dtype)


def scale_by_std(value: Tensor, group: Tensor, *, ddof: int = 1, eps: float = 1e-6) -> Tensor:
    """value (B,) over the standard deviation of its group plus `eps`: (B,), NaN stays NaN.

    `ddof` 1 is the sample standard deviation (Bessel), 0 that of the population. A group without variance becomes
    exactly 0. Raises ForageError for another `ddof` or a negative `eps`.
    """
    if ddof not in (0, 1):
        raise ForageError(f"ddof must be 1 (sample standard deviation) or 0 (population), not {ddof}.")
    if not eps >= 0:
        raise ForageError(f"eps is added to a standard deviation, so it must be 0 or more, not {eps}.")
    groups = segments(value, group)
    deviation = value.double() - groups.mean[groups.index]
    variance = groups.sum(deviation.square()) / (groups.count - ddof).clamp_min(1)
    scaled = value.double() / (variance.sqrt()[groups.index] + eps)
    return scaled.masked_fill(_settled(groups), 0).to(value.dtype)


def group_advantage(
    reward: Tensor, group: Tensor, *, scale: Literal["none", "std"] = "std", ddof: int = 1, eps: float = 1e-6
) -> Tensor:
    """How much better than its siblings each response did.

        A = r - mean(group)                        scale "none": Dr. GRPO, arXiv 2503.20783
        A = (r - mean(group)) / (std(group) + eps) scale "std": GRPO, arXiv 2402.03300, section 4.1.2

    A group without variance is exactly 0, decided by comparing its rewards before any division.

    Args:
        reward: (B,) float; NaN where a response was not judged, which its siblings then do not see.
        group: (B,) int64, equal numbers for siblings.
        scale: "none" or "std".
        ddof: 1 for the sample standard deviation (Bessel), 0 for that of the population.
        eps: added to the standard deviation, 0 or more.

    Returns:
        (B,) of the dtype of `reward`; 0 where the reward is NaN.

    Raises:
        ForageError: an unknown scale, another `ddof` or a negative `eps`.
        ValueError: the shapes differ.

    Example:
        >>> group_advantage(torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0]), torch.tensor([0, 0, 0, 1, 1]), scale="none")
        tensor([ 0.6667, -0.3333, -0.3333,  0.0000,  0.0000])
    """
    if scale not in ("none", "std"):
        raise ForageError(f'scale must be "none" or "std", not {scale!r}.')
    advantage = centre(reward, group)
    if scale == "std":
        advantage = scale_by_std(advantage, group, ddof=ddof, eps=eps)
    return advantage.masked_fill(advantage.isnan(), 0)


def _settled(groups: Segments) -> Tensor:
    """(B,) bool: judged values whose deviation is 0 by comparison."""
    return groups.constant[groups.index] & groups.judged


def _sum(values: Tensor, index: Tensor, size: int) -> Tensor:
    return torch.zeros(size, dtype=torch.float64, device=values.device).index_add(0, index, values)


def _extreme(values: Tensor, index: Tensor, size: int, kind: Literal["amin", "amax"]) -> Tensor:
    start = torch.full((size,), torch.inf if kind == "amin" else -torch.inf, dtype=torch.float64, device=values.device)
    return start.scatter_reduce(0, index, values, kind)


def best_of_group_advantage(value: Tensor, group: Tensor) -> Tensor:
    """Only the best sibling counts: rejection-sampling fine-tuning as an advantage (RAFT, arXiv 2304.06767).

        A = n / b for the b highest of the n judged values of a group, 0 for the others

    With `reinforce` and `sequence_mean` the loss is the negative log-likelihood of the chosen responses.

    Args:
        value: (B,) float, NaN where not judged.
        group: (B,) int64, equal numbers for siblings.

    Returns:
        (B,) of the dtype of `value`; a group without variance chooses nothing and is exactly 0, NaN stays NaN.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> best_of_group_advantage(torch.tensor([0.2, 0.9, 0.9, 0.1]), torch.zeros(4, dtype=torch.int64))
        tensor([0., 2., 2., 0.])
    """
    groups = segments(value, group)
    exact = value.double().masked_fill(~groups.judged, -torch.inf)
    best = groups.judged & (exact == _extreme(exact, groups.index, len(groups.count), "amax")[groups.index])
    ties = _sum(best.double(), groups.index, len(groups.count)).clamp_min(1)
    share = best * (groups.count / ties)[groups.index]
    share = share.masked_fill(_settled(groups), 0).masked_fill(~groups.judged, torch.nan)
    return share.to(value.dtype)

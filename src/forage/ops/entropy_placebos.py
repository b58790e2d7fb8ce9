"""Controls of the entropy bonus: each keeps a part of it and takes the rest away.

Axes: B sequences, T tokens.
"""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.entropy import check_alpha, check_kappa, entropy_bonus
from forage.ops.masked import masked, masked_sum, require_shape


def constant_bonus(advantage: Tensor, entropy: Tensor, mask: Tensor, *, alpha: float, kappa: float) -> Tensor:
    """A control of `entropy_bonus` (arXiv 2506.14758): its mean bonus, equal on every token.

        A' = A + c |A|,  c = sum of the entropy bonus / sum |A|, held in [0, 1 / kappa]

    Args:
        advantage: (B, T) float, A.
        entropy: (B, T) float, in nats.
        mask: (B, T) bool, the learned tokens of the whole step.
        alpha: that of the method, 0 or more.
        kappa: that of the method, above 1.

    Returns:
        (B, T) float32, 0 off the mask.

    Raises:
        ForageError: alpha is below 0, or kappa not above 1.
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> constant_bonus(torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 2.0]]), mask, alpha=0.5, kappa=2.0)
        tensor([[ 1.2500, -0.7500]])
    """
    advantage = masked(advantage, mask).double()
    size = advantage.abs().sum()
    total = _total(advantage, entropy, mask, alpha=alpha, kappa=kappa)
    share = torch.where(size > 0, total / size, 0).clamp(0, 1 / kappa)
    return (advantage + share * advantage.abs()).to(torch.float32)


def random_token_bonus(
    advantage: Tensor, entropy: Tensor, noise: Tensor, mask: Tensor, *, alpha: float, kappa: float
) -> Tensor:
    """A control of `entropy_bonus` (arXiv 2506.14758): a bonus of equal sum on tokens drawn by lot.

        A' = A + |A| / kappa on tokens in the order of the noise, until the sum is that of the entropy bonus

    The last of them gets what is missing, so the sums are equal.

    Args:
        advantage: (B, T) float, A.
        entropy: (B, T) float, in nats.
        noise: (B, T) float, independent random numbers.
        mask: (B, T) bool, the learned tokens of the whole step.
        alpha: that of the method, 0 or more.
        kappa: that of the method, above 1.

    Returns:
        (B, T) float32, 0 off the mask.

    Raises:
        ForageError: alpha is below 0, or kappa not above 1.
        ValueError: the shapes differ.

    Example:
        >>> mask, noise = torch.ones(1, 2, dtype=torch.bool), torch.tensor([[0.1, 0.7]])
        >>> random_token_bonus(torch.ones(1, 2), torch.tensor([[0.0, 2.0]]), noise, mask, alpha=0.5, kappa=2.0)
        tensor([[1.5000, 1.0000]])
    """
    require_shape(tuple(mask.shape), noise=noise)
    advantage = masked(advantage, mask).double()
    total = _total(advantage, entropy, mask, alpha=alpha, kappa=kappa)
    cap = (advantage.abs() / kappa).flatten()
    order = noise.masked_fill(~mask, torch.inf).flatten().argsort(stable=True)
    before = cap[order].cumsum(0) - cap[order]
    paid = (total - before).clamp_min(0).minimum(cap[order])
    bonus = torch.zeros_like(cap).scatter_(0, order, paid).view_as(advantage)
    return (advantage + bonus).to(torch.float32)


def shuffle_within_rows(values: Tensor, noise: Tensor, mask: Tensor) -> Tensor:
    """A control of `entropy_bonus` (arXiv 2506.14758): its values, in random places of the same response.

        the i-th token of a row on the mask gets the value of the token whose noise is the i-th smallest

    Args:
        values: (B, T), the entropies.
        noise: (B, T) float, independent random numbers.
        mask: (B, T) bool.

    Returns:
        (B, T) of the dtype of `values`, permuted on the mask within each row.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> shuffle_within_rows(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.5, 0.9, 0.1]]), mask)
        tensor([[3., 1., 2.]])
    """
    require_shape(tuple(mask.shape), values=values, noise=noise)
    source = noise.masked_fill(~mask, torch.inf).argsort(dim=1, stable=True)
    target = (~mask).to(torch.int8).argsort(dim=1, stable=True)
    return torch.empty_like(values).scatter_(1, target, values.gather(1, source))


def unclipped_entropy_bonus(advantage: Tensor, entropy: Tensor, *, alpha: float) -> Tensor:
    """A control of `entropy_bonus` (arXiv 2506.14758): the bonus without its cap, which is a baseline of the state.

        A' = A + alpha sg[H]

    On policy its expected gradient is 0. Advantages of 0 get it too, and signs may turn.

    Args:
        advantage: float of any shape, A.
        entropy: float of the same shape, H in nats.
        alpha: 0 or more.

    Returns:
        A new tensor of the shape and dtype of `advantage`.

    Raises:
        ForageError: alpha is below 0.
        ValueError: the shapes differ.

    Example:
        >>> unclipped_entropy_bonus(torch.tensor([0.0, -0.5]), torch.tensor([1.0, 2.0]), alpha=0.5)
        tensor([0.5000, 0.5000])
    """
    check_alpha(alpha)
    require_shape(tuple(advantage.shape), entropy=entropy)
    return advantage + alpha * entropy.detach().to(advantage.dtype)


def high_entropy_scale(
    advantage: Tensor, entropy: Tensor, mask: Tensor, *, scale: float = 0.2, quantile: float = 0.8
) -> Tensor:
    """A control of `entropy_bonus` (arXiv 2506.14758): a factor on uncertain tokens, equal for praise and blame.

        A' = A (1 + scale) where H exceeds its quantile over the mask, A elsewhere

    Args:
        advantage: (B, T) float, A.
        entropy: (B, T) float, H in nats.
        mask: (B, T) bool, the learned tokens of the whole step.
        scale: above -1, which keeps every sign.
        quantile: in [0, 1]; the threshold is the smallest entropy that at least this share of the tokens do not exceed.

    Returns:
        (B, T) of the dtype of `advantage`, 0 off the mask.

    Raises:
        ForageError: scale or quantile lies outside its range.
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 4, dtype=torch.bool)
        >>> high_entropy_scale(-torch.ones(1, 4), torch.tensor([[0.1, 0.2, 0.3, 0.4]]), mask, scale=0.5, quantile=0.75)
        tensor([[-1.0000, -1.0000, -1.0000, -1.5000]])
    """
    check_scale(scale, quantile)
    entropy = masked(entropy.detach(), mask)
    high = mask & (entropy > _quantile(entropy[mask], quantile))
    return masked(torch.where(high, advantage * (1 + scale), advantage), mask)


def group_reweight(advantage: Tensor, success_rate: Tensor, *, kappa: float = 2.0) -> Tensor:
    """A control of `entropy_bonus` (arXiv 2506.14758): weight by difficulty, without looking at any token.

        A' = A (1 + (1 - 2 p) / kappa), p the success rate of the group

    With 0/1 rewards this is in expectation what the entropy bonus does to the gradient of a token where its cap binds.

    Args:
        advantage: float of any shape, A.
        success_rate: float of the same shape, p in [0, 1].
        kappa: above 1.

    Returns:
        A new tensor of the shape of `advantage`.

    Raises:
        ForageError: kappa is not above 1.
        ValueError: the shapes differ.

    Example:
        >>> group_reweight(torch.ones(3), torch.tensor([0.0, 0.5, 1.0]), kappa=2.0)
        tensor([1.5000, 1.0000, 0.5000])
    """
    check_kappa(kappa)
    require_shape(tuple(advantage.shape), success_rate=success_rate)
    return advantage * (1 + (1 - 2 * success_rate) / kappa)


def check_scale(scale: float, quantile: float) -> None:
    """Raises ForageError unless scale > -1 and 0 <= quantile <= 1."""
    if not (math.isfinite(scale) and scale > -1):
        raise ForageError(f"scale must be above -1, so that no advantage changes its sign, not {scale}.")
    if not 0 <= quantile <= 1:
        raise ForageError(f"quantile must lie between 0 and 1, not {quantile}.")


def _total(advantage: Tensor, entropy: Tensor, mask: Tensor, *, alpha: float, kappa: float) -> Tensor:
    """() float64: the sum over the mask of the entropy bonus; `advantage` (B, T) float64."""
    check_kappa(kappa)
    exact = masked(entropy, mask).double()
    return masked_sum(entropy_bonus(advantage, exact, alpha=alpha, kappa=kappa) - advantage, mask)


def _quantile(entropy: Tensor, quantile: float) -> Tensor:
    """() the smallest of `entropy` (N,) that at least the share `quantile` does not exceed; -inf for quantile 0."""
    rank = math.ceil(quantile * len(entropy))
    if rank == 0:
        return entropy.new_tensor(-torch.inf)
    return entropy.sort().values[rank - 1]

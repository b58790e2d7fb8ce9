"""Shapers of the late stage of training: low-perplexity responses, and the ends of responses (arXiv 2508.02260).

Axes: B sequences, T tokens.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, masked_mean, require_shape
from forage.ops.segments import group_advantage

Scope = Literal["group", "batch"]
"""Among which responses perplexities are standardized."""


def perplexity_weight(logprob: Tensor, mask: Tensor, group: Tensor, *, scope: Scope) -> Tensor:
    """The standardized log-perplexity of each response (arXiv 2508.02260).

        w = (P - mean P) / std P,  P = -(1 / n) sum_t log pi_t, over the group or the batch

    A response without a token on the mask takes no part and gets 0; so does one that is alone, and one whose perplexity
    is that of all others.

    Args:
        logprob: (B, T) float.
        mask: (B, T) bool, the tokens of the responses.
        group: (B,) int64.
        scope: "group" or "batch", among which perplexities are compared.

    Returns:
        (B,) float64, mean 0 within the group or the batch.

    Raises:
        ForageError: another scope.
        ValueError: the shapes do not fit.

    Example:
        >>> logprob = torch.tensor([[-1.0, -1.0], [-3.0, -3.0]])
        >>> perplexity_weight(logprob, torch.ones(2, 2, dtype=torch.bool), torch.tensor([0, 0]), scope="group")
        tensor([-0.7071,  0.7071], dtype=torch.float64)
    """
    check_scope(scope)
    require_shape(tuple(mask.shape), logprob=logprob)
    require_shape((mask.shape[0],), group=group)
    perplexity = -masked_mean(logprob.double(), mask, dim=1)
    perplexity = perplexity.masked_fill(~mask.any(dim=1), torch.nan)
    return group_advantage(perplexity, group if scope == "group" else torch.zeros_like(group), scale="std")


def perplexity_scale(advantage: Tensor, weight: Tensor, *, alpha: float) -> Tensor:
    """Credit moves from responses of high perplexity to those of low perplexity (arXiv 2508.02260).

        A (1 - alpha w)

    A sign is kept as long as alpha w < 1, which is checked where A is not 0. alpha = 0 is the identity.

    Args:
        advantage: float, A, of any shape.
        weight: float of the same shape, w, see `perplexity_weight`; no gradient passes through it.
        alpha: how much credit moves, 0 or more.

    Returns:
        That shape in the dtype of `advantage`.

    Raises:
        ForageError: a sign would change, or `alpha` is negative.
        ValueError: the shapes differ.

    Example:
        >>> perplexity_scale(torch.tensor([2.0, -2.0]), torch.tensor([1.0, -1.0]), alpha=0.25)
        tensor([ 1.5000, -2.5000])
    """
    _check_strength("alpha", alpha)
    require_shape(tuple(advantage.shape), weight=weight)
    share = alpha * weight.detach().to(advantage.dtype)
    if bool(((share >= 1) & (advantage != 0)).any()):
        raise ForageError(
            f"A response has so high a perplexity (standardized {float(weight.max()):.1f}) that alpha {alpha} would "
            "turn the sign of its advantage: use a smaller alpha."
        )
    return advantage * (1 - share)


def relative_position(mask: Tensor) -> Tensor:
    """Where each token lies in its response (arXiv 2508.02260).

        l = rank / (n - 1), rank 0, 1, ... among the n tokens of the response

    Args:
        mask: (B, T) bool, the tokens of the responses.

    Returns:
        (B, T) float32 from 0 (the first on the mask) to 1 (the last); 0 off it, and for the only token of a response.

    Raises:
        Nothing.

    Example:
        >>> relative_position(torch.tensor([[False, True, True, True]]))
        tensor([[0.0000, 0.0000, 0.5000, 1.0000]])
    """
    rank = (mask.cumsum(dim=1) - 1).to(torch.float32)
    return masked(rank / (mask.sum(dim=1, keepdim=True) - 1).clamp(min=1), mask)


def position_bonus(advantage: Tensor, position: Tensor, *, gamma: float, slope: float, middle: float) -> Tensor:
    """Credit that grows along the response, for slope > 0 (arXiv 2508.02260).

        A + sign(A) gamma sigmoid(slope (l - middle)), l the position

    |A'| - |A| lies between 0 and gamma: a sign never changes, and 0 stays 0. gamma = 0 is the identity.

    Args:
        advantage: float, A, of any shape.
        position: float of the same shape in [0, 1], l, see `relative_position`; no gradient passes through it.
        gamma: the largest bonus, 0 or more.
        slope: how suddenly the bonus sets in.
        middle: the position at which half of it is paid.

    Returns:
        That shape.

    Raises:
        ForageError: a negative `gamma`, or numbers that are not finite.
        ValueError: the shapes differ.

    Example:
        >>> position_bonus(torch.tensor([1.0, -1.0, 0.0]), torch.full((3,), 0.5), gamma=0.5, slope=4.0, middle=0.5)
        tensor([ 1.2500, -1.2500,  0.0000])
    """
    check_position(gamma, slope, middle)
    require_shape(tuple(advantage.shape), position=position)
    return advantage + advantage.sign() * (gamma * torch.sigmoid(slope * (position.detach() - middle)))


def check_scope(scope: str) -> None:
    """Raises ForageError for what is neither "group" nor "batch"."""
    if scope not in ("group", "batch"):
        raise ForageError(f'Perplexities are standardized within the "group" or the "batch", not {scope!r}.')


def check_position(gamma: float, slope: float, middle: float) -> None:
    """Raises ForageError for settings of `position_bonus` that it does not take."""
    _check_strength("gamma", gamma)
    if not (math.isfinite(slope) and math.isfinite(middle)):
        raise ForageError(f"slope and middle must be finite numbers, not {slope} and {middle}.")


def _check_strength(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ForageError(f"{name} is a strength: it must be 0 (off) or more, not {value}.")

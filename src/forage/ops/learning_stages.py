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
    """The standardized log-perplexity of each response: (B,) float64, mean 0 within its group or the batch.

    logprob (B, T) float, mask (B, T) bool, group (B,) int64. The log-perplexity is minus the mean log-probability on
    the mask. A response without a token on the mask takes no part and gets 0; so does one that is alone, and one whose
    perplexity is that of all others. Raises ForageError for another scope, ValueError for other shapes.
    """
    check_scope(scope)
    require_shape(tuple(mask.shape), logprob=logprob)
    require_shape((mask.shape[0],), group=group)
    perplexity = -masked_mean(logprob.double(), mask, dim=1)
    perplexity = perplexity.masked_fill(~mask.any(dim=1), torch.nan)
    return group_advantage(perplexity, group if scope == "group" else torch.zeros_like(group), scale="std")


def perplexity_scale(advantage: Tensor, weight: Tensor, *, alpha: float) -> Tensor:
    """A (1 - alpha w): credit moves from responses of high perplexity to those of low perplexity.

    advantage and weight, float tensors of one shape; returns that shape in the dtype of the advantage, without a
    gradient through the weight. A sign is kept as long as alpha w < 1, which is checked where A is not 0. alpha = 0 is
    the identity. Raises ForageError where a sign would change, and for a negative alpha.
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
    """Where each token lies in its response: (B, T) float32 from 0 (the first on the mask) to 1 (the last), 0 off it.

    The only token of a response has 0.
    """
    rank = (mask.cumsum(dim=1) - 1).to(torch.float32)
    return masked(rank / (mask.sum(dim=1, keepdim=True) - 1).clamp(min=1), mask)


def position_bonus(advantage: Tensor, position: Tensor, *, gamma: float, slope: float, middle: float) -> Tensor:
    """A + sign(A) gamma sigmoid(slope (l - middle)), l the position: credit grows along (slope > 0) the response.

    advantage and position (in [0, 1]), float tensors of one shape. |A'| - |A| lies between 0 and gamma: a sign never
    changes, and 0 stays 0. gamma = 0 is the identity. Raises ForageError for a negative gamma and for numbers that are
    not finite.
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

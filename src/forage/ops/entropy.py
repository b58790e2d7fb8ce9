"""The entropy bonus on advantages (Cheng et al., arXiv 2506.14758)."""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape


def check_alpha(alpha: float) -> None:
    """Raises ForageError unless `alpha` is a finite number, 0 or more."""
    if not (math.isfinite(alpha) and alpha >= 0):
        raise ForageError(f"alpha is the strength of the bonus: it must be 0 (off) or more, not {alpha}.")


def check_kappa(kappa: float) -> None:
    """Raises ForageError unless `kappa` > 1, without which a bonus can erase or turn a negative advantage."""
    if not kappa > 1:
        raise ForageError(f"kappa must be above 1, so that a bonus never turns the sign of an advantage, not {kappa}.")


def entropy_bonus(advantage: Tensor, entropy: Tensor, *, alpha: float, kappa: float) -> Tensor:
    """The advantage plus a small bonus at uncertain tokens (Cheng et al. 2025, arXiv 2506.14758, equations 5 and 6).

        A' = A + min(alpha sg[H], |A| / kappa)

    0 <= A' - A <= |A| / kappa: a sign never changes, and 0 stays 0. No gradient flows through the entropy.

    Args:
        advantage: float of any shape, A.
        entropy: float of the same shape, H in nats; a rounding error below 0 counts as 0.
        alpha: the strength, 0 (off) or more. Published: 0.4 with GRPO, 0.1 with PPO.
        kappa: above 1, the cap. Published: 2.

    Returns:
        A new tensor of the shape and dtype of `advantage`.

    Raises:
        ForageError: alpha is below 0, or kappa not above 1.
        ValueError: the shapes differ.

    Example:
        >>> entropy_bonus(torch.tensor([1.0, -1.0, 0.0]), torch.tensor([0.5, 2.0, 2.0]), alpha=0.5, kappa=2.0)
        tensor([ 1.2500, -0.5000,  0.0000])
    """
    check_alpha(alpha)
    check_kappa(kappa)
    require_shape(tuple(advantage.shape), entropy=entropy)
    wish = alpha * entropy.detach().clamp_min(0).to(advantage.dtype)
    return advantage + torch.minimum(wish, advantage.abs() / kappa)


def advantage_entropy(advantage: Tensor, entropy: Tensor, mask: Tensor) -> Tensor:
    """An entropy term of the loss, weighted by the advantage (IBRO, arXiv 2507.18391).

        -A H

    The entropy, with its gradient, rises where the advantage is positive and falls where it is negative. With |A| in
    the place of A it rises everywhere.

    Args:
        advantage: (B, T) float, A, settled.
        entropy: (B, T) float, H of the policy being updated; carries the gradient.
        mask: (B, T) bool, the tokens that are learned from.

    Returns:
        (B, T), to be added to the loss of each token with a small weight; 0 off the mask.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.tensor([[True, True, False]])
        >>> advantage_entropy(torch.tensor([[2.0, -1.0, 5.0]]), torch.tensor([[0.5, 1.0, 1.0]]), mask)
        tensor([[-1.,  1., -0.]])
    """
    require_shape(tuple(mask.shape), advantage=advantage, entropy=entropy)
    return -masked(advantage, mask) * masked(entropy, mask)

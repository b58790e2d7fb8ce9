"""The entropy bonus on advantages (Cheng et al., arXiv 2506.14758)."""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def check_alpha(alpha: float) -> None:
    """Raises ForageError unless `alpha` is a finite number, 0 or more."""
    if not (math.isfinite(alpha) and alpha >= 0):
        raise ForageError(f"alpha is the strength of the bonus: it must be 0 (off) or more, not {alpha}.")


def check_kappa(kappa: float) -> None:
    """Raises ForageError unless `kappa` > 1, without which a bonus can erase or turn a negative advantage."""
    if not kappa > 1:
        raise ForageError(f"kappa must be above 1, so that a bonus never turns the sign of an advantage, not {kappa}.")


def entropy_bonus(advantage: Tensor, entropy: Tensor, *, alpha: float, kappa: float) -> Tensor:
    """The advantage plus a small bonus at uncertain tokens: A + min(alpha * H, |A| / kappa).

    Equations 5 and 6 of arXiv 2506.14758; no gradient flows through the entropy. `advantage` and `entropy` (in nats,
    0 or more; a rounding error below 0 counts as 0) are float tensors of one shape; the result is a new tensor of the
    advantage's dtype. 0 <= A' - A <= |A| / kappa: a sign never changes, and 0 stays 0. alpha = 0 is the identity.

    Raises ForageError for alpha < 0 or kappa <= 1, ValueError where the shapes differ.
    """
    check_alpha(alpha)
    check_kappa(kappa)
    require_shape(tuple(advantage.shape), entropy=entropy)
    wish = alpha * entropy.detach().clamp_min(0).to(advantage.dtype)
    return advantage + torch.minimum(wish, advantage.abs() / kappa)

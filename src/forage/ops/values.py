"""Learning what states are worth: the error of predicted values, and how much of the returns they explain.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape


def clipped_value_error(
    value: Tensor, before: Tensor, target: Tensor, mask: Tensor, *, clip: float
) -> tuple[Tensor, Tensor]:
    """The loss of a critic, held near the values before the update (Engstrom et al. 2020, arXiv 2005.12729).

        max((V - target)^2, (hold(V) - target)^2) / 2,  hold(V) = before + clamp(V - before, -clip, clip)

    The loss of PPO's implementations; arXiv 1707.06347 itself clips no values.

    Args:
        value: (B, T) float, V; the only one with a gradient.
        before: (B, T) float, the values before the update.
        target: (B, T) float, the returns.
        mask: (B, T) bool.
        clip: above 0; inf is the plain squared error.

    Returns:
        error: (B, T), 0 off the mask.
        clipped: (B, T) bool, where the held value was taken, so that no gradient is left.

    Raises:
        ForageError: the clip is not above 0.
        ValueError: the shapes differ.

    Example:
        >>> value, before, target = torch.tensor([[1.0]]), torch.tensor([[0.0]]), torch.tensor([[1.0]])
        >>> clipped_value_error(value, before, target, torch.tensor([[True]]), clip=0.5)
        (tensor([[0.1250]]), tensor([[True]]))
    """
    if not clip > 0:
        raise ForageError(f"The clip of values must be above 0 (use inf for none), not {clip}.")
    require_shape(tuple(mask.shape), value=value, before=before, target=target)
    value, before, target = masked(value, mask), masked(before.detach(), mask), masked(target.detach(), mask)
    free = (value - target).square()
    held = (before + (value - before).clamp(-clip, clip) - target).square()
    return torch.maximum(free, held) / 2, (held > free).detach()


def explained_variance(value: Tensor, target: Tensor, mask: Tensor) -> float:
    """How much of the returns a critic explains (as PPO implementations report it; Engstrom et al. 2020, 2005.12729).

        1 - Var(target - value) / Var(target)

    Args:
        value: (B, T) float.
        target: (B, T) float.
        mask: (B, T) bool.

    Returns:
        A float: 1 is perfect, 0 no better than a constant; NaN where the targets do not vary.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> explained_variance(torch.tensor([[0.5, 1.5]]), torch.tensor([[0.0, 2.0]]), mask)
        0.75
    """
    require_shape(tuple(mask.shape), value=value, target=target)
    wanted, error = target[mask].double(), (target[mask] - value[mask]).double()
    if len(wanted) == 0 or bool((wanted == wanted[0]).all()):
        return float("nan")
    return float(1 - error.var(correction=0) / wanted.var(correction=0))

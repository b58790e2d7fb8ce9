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
    """Half the squared error of `value`, and never less than that of the value held near `before`.

    max((V - target)^2, (hold(V) - target)^2) / 2, hold(V) = before + clamp(V - before, -clip, clip): the loss of the
    PPO implementations that Engstrom et al. 2020 (arXiv 2005.12729) study; arXiv 1707.06347 itself clips no values.
    All (B, T) float, mask (B, T) bool; only `value` has a gradient. Returns the error and a bool tensor that marks
    where the held value was taken, so that no gradient is left; both are 0 off the mask. clip = inf is the plain
    squared error. Raises ForageError unless clip is above 0.
    """
    if not clip > 0:
        raise ForageError(f"The clip of values must be above 0 (use inf for none), not {clip}.")
    require_shape(tuple(mask.shape), value=value, before=before, target=target)
    value, before, target = masked(value, mask), masked(before.detach(), mask), masked(target.detach(), mask)
    free = (value - target).square()
    held = (before + (value - before).clamp(-clip, clip) - target).square()
    return torch.maximum(free, held) / 2, (held > free).detach()


def explained_variance(value: Tensor, target: Tensor, mask: Tensor) -> float:
    """1 - Var(target - value) / Var(target) over the tokens on the mask: 1 is perfect, 0 is no better than a constant.

    value and target (B, T) float, mask (B, T) bool. NaN where the targets do not vary.
    """
    wanted, error = target[mask].double(), (target[mask] - value[mask]).double()
    if len(wanted) == 0 or bool((wanted == wanted[0]).all()):
        return float("nan")
    return float(1 - error.var(correction=0) / wanted.var(correction=0))

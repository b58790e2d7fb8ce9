"""Mean 0 and deviation 1 over everything on a mask.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked


def whiten(values: Tensor, mask: Tensor, *, eps: float) -> Tensor:
    """(values - mean) / (deviation + eps) on the mask, 0 off it; the deviation has Bessel's correction.

    values (B, T) float, mask (B, T) bool -> (B, T) of the dtype of `values`; computed in float64. Fewer than two
    values, or values that are all equal, become exactly 0. Raises ForageError for a negative eps.
    """
    if not eps >= 0:
        raise ForageError(f"eps must be 0 or more, not {eps}.")
    some = values[mask].double()
    if len(some) < 2 or bool((some == some[0]).all()):
        return torch.zeros_like(values)
    return masked(((values.double() - some.mean()) / (some.std() + eps)).to(values.dtype), mask)

"""Mean 0 and deviation 1 over everything on a mask.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked


def whiten(values: Tensor, mask: Tensor, *, eps: float) -> Tensor:
    """Mean 0 and deviation 1 over everything on the mask, as PPO is implemented (arXiv 2005.12729).

        (A - mean) / (deviation + eps)

    Computed in float64; the deviation has Bessel's correction.

    Args:
        values: (B, T) float.
        mask: (B, T) bool, the learned tokens of the whole step.
        eps: added to the deviation, 0 or more.

    Returns:
        (B, T) of the dtype of `values`, 0 off the mask; exactly 0 for fewer than two values or all equal ones.

    Raises:
        ForageError: eps is negative.
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.tensor([[True, True, True, False]])
        >>> whiten(torch.tensor([[1.0, 2.0, 3.0, 9.0]]), mask, eps=0.0)
        tensor([[-1.,  0.,  1.,  0.]])
    """
    if not eps >= 0:
        raise ForageError(f"eps must be 0 or more, not {eps}.")
    selected = values[mask].double()
    if len(selected) < 2 or bool((selected == selected[0]).all()):
        return torch.zeros_like(values)
    return masked(((values.double() - selected.mean()) / (selected.std() + eps)).to(values.dtype), mask)

"""Arithmetic under a mask. What is off the mask never matters, not even when it is NaN.

Axes: B sequences, T tokens.
"""

from torch import Tensor


def require_shape(shape: tuple[int, ...], **tensors: Tensor) -> None:
    """Raises ValueError, naming the tensor, where one has another shape: a broadcast would not fail, only be wrong."""
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != tuple(shape):
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, not {tuple(shape)}")


def masked(values: Tensor, mask: Tensor) -> Tensor:
    """`values` where `mask` (bool, same shape) is True, exactly 0 elsewhere; gradients flow on the mask only."""
    require_shape(tuple(values.shape), mask=mask)
    return values.masked_fill(~mask, 0)


def masked_sum(values: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """The sum of `values` on the mask over `dim` (all axes unless given)."""
    kept = masked(values, mask)
    return kept.sum() if dim is None else kept.sum(dim)


def masked_mean(values: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """The mean of `values` on the mask over `dim` (all axes unless given); 0 where the mask is empty."""
    count = mask.sum() if dim is None else mask.sum(dim)
    return masked_sum(values, mask, dim) / count.clamp_min(1)

"""An edit of attention weights without training ("Attention-Driven Reasoning", arXiv 2403.14932).

Axes: B sequences, H heads, T queries, S keys.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def heavy_keys(weights: Tensor, own: Tensor, *, floor: float) -> Tensor:
    """Which keys the first layer attends to, beside the query's own place (arXiv 2403.14932).

        heavy = (weight > floor) and the key is not that of the query itself

    Args:
        weights: (B, H, T, S) float, the attention weights of the first layer.
        own: (B, T) int64, the key that is the query's own.
        floor: 0 or more; 0.01 in the authors' code.

    Returns:
        (B, H, T, S) bool.

    Raises:
        ForageError: the floor is negative.
        ValueError: the shapes do not fit.

    Example:
        >>> heavy_keys(torch.tensor([[[[0.6, 0.005, 0.395]]]]), torch.tensor([[2]]), floor=0.01)
        tensor([[[[ True, False, False]]]])
    """
    if floor < 0:
        raise ForageError(f"Weights of attention are above a floor of 0 or more, not {floor}.")
    require_shape((weights.shape[0], weights.shape[2]), own=own)
    place = torch.arange(weights.shape[3], device=weights.device)
    return (weights > floor) & (place != own[:, None, :, None])


def rebalanced_weights(weights: Tensor, heavy: Tensor, *, layer: int, layers: int, alpha: float) -> Tensor:
    """More weight for what the first layer attends to, less so in later layers (arXiv 2403.14932).

        w' = w (1 + alpha (1 - l / (L - 1))) on the heavy keys of the first layer, for layers l > 0

    Nothing is normalized again, so rows add up to more than 1. In the last layer nothing changes, and so in a model of
    two layers. alpha 0 changes nothing.

    Args:
        weights: (B, H, T, S) float, the attention weights of layer l.
        heavy: (B, H, T, S) bool, of the first layer, head by head.
        layer: l, from 0; the first layer keeps its weights.
        layers: L, how many layers the model has.
        alpha: the strength; 0.2 in the authors' code, where L is 32.

    Returns:
        (B, H, T, S), of the dtype of `weights`.

    Raises:
        ForageError: a layer that the model does not have.
        ValueError: the shapes differ.

    Example:
        >>> weights, heavy = torch.tensor([[[[0.5, 0.5]]]]), torch.tensor([[[[True, False]]]])
        >>> rebalanced_weights(weights, heavy, layer=1, layers=3, alpha=0.5)
        tensor([[[[0.6250, 0.5000]]]])
    """
    if not 0 <= layer < layers:
        raise ForageError(f"A model of {layers} layers has no layer {layer}, counted from 0.")
    require_shape(tuple(weights.shape), heavy=heavy)
    if layer == 0:
        return weights
    return torch.where(heavy, weights * (1 + alpha * (1 - layer / max(layers - 1, 1))), weights)

"""How a response stands to remembered ones: like what succeeded, unlike what failed (arXiv 2504.02273).

Axes: N responses, M remembered ones, D numbers of a text vector.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError


def likeness_reward(response: Tensor, stored: Tensor) -> Tensor:
    """How near a response is to the mean of remembered ones (exploitation of Memory-R+, arXiv 2504.02273).

        -||a - mean(B)||

    Args:
        response: (N, D) float, vectors a of the responses.
        stored: (M, D) float, vectors B of the remembered ones.

    Returns:
        (N,) float64, 0 or less; NaN where nothing is remembered, for then there is nothing to be near.

    Raises:
        ForageError: vectors of different sizes.

    Example:
        >>> stored = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> likeness_reward(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), stored)
        tensor([-0.0000, -0.7071], dtype=torch.float64)
    """
    _check_vectors(response, stored)
    return -(response.double() - stored.double().mean(0)).norm(dim=1)


def unlikeness_reward(response: Tensor, stored: Tensor) -> Tensor:
    """How far a response is from the most similar remembered one (exploration of Memory-R+, arXiv 2504.02273).

        1 - max_b cos(a, b)

    Two vectors of zeros, texts without any feature, are equal: their cosine counts as 1.

    Args:
        response: (N, D) float, vectors a of the responses.
        stored: (M, D) float, vectors b of the remembered ones.

    Returns:
        (N,) float64 in [0, 2], 0 for what is remembered already; NaN where nothing is remembered.

    Raises:
        ForageError: vectors of different sizes.

    Example:
        >>> stored = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
        >>> unlikeness_reward(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), stored)
        tensor([0.0000, 0.2000], dtype=torch.float64)
    """
    _check_vectors(response, stored)
    if not len(stored):
        return torch.full((len(response),), torch.nan, dtype=torch.float64)
    cosine = _unit(response) @ _unit(stored).T
    blank = (response == 0).all(1)[:, None] & (stored == 0).all(1)[None]
    return (1 - cosine.masked_fill(blank, 1.0).amax(1)).clamp(min=0)


def memory_reward(
    exploit: Tensor, explore: Tensor, *, exploit_weight: float = 1.0, explore_weight: float = 1.0
) -> Tensor:
    """Both rewards of Memory-R+ together, on their common scale (arXiv 2504.02273).

        b_s exploit + b_e explore

    Args:
        exploit: (N,) float, scaled likeness to successes, in [0, 1]; NaN adds nothing.
        explore: (N,) float, scaled unlikeness to failures, in [0, 1]; NaN adds nothing.
        exploit_weight: b_s, 0 or more.
        explore_weight: b_e, 0 or more.

    Returns:
        (N,) of the dtype of `exploit`, in [0, b_s + b_e].

    Raises:
        ForageError: weights below 0, or both 0.

    Example:
        >>> memory_reward(torch.tensor([0.25, torch.nan]), torch.tensor([0.5, 1.0]), explore_weight=0.5)
        tensor([0.5000, 0.5000])
    """
    check_memory_reward(exploit_weight, explore_weight)
    return exploit_weight * exploit.nan_to_num() + explore_weight * explore.nan_to_num()


def check_memory_reward(exploit_weight: float, explore_weight: float) -> None:
    """Raises ForageError unless the weights of `memory_reward` are in their ranges."""
    if not (0 <= exploit_weight < float("inf") and 0 <= explore_weight < float("inf")) or not (
        exploit_weight + explore_weight
    ):
        raise ForageError(
            f"Likeness and unlikeness have weights of 0 or more, not both 0: {exploit_weight} and {explore_weight}."
        )


def _check_vectors(response: Tensor, stored: Tensor) -> None:
    if response.dim() != 2 or stored.dim() != 2 or response.shape[1] != stored.shape[1]:
        raise ForageError(
            f"Responses {tuple(response.shape)} and remembered ones {tuple(stored.shape)} must be rows of one size."
        )


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors.double(), dim=1)

"""The mean of the weights of several models."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from forage.core.errors import ForageError


def average_weights(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the weights of several reward models (WARM, arXiv 2401.12187, section 3).

        theta = (1 / M) sum_m theta_m

    Computed in float64. Models of one average begin as one model; others do not lie in one basin.

    Args:
        states: M state dictionaries of equal names and shapes.

    Returns:
        A new state dictionary with the dtypes of the first. Numbers that are not floating-point must be equal.

    Raises:
        ForageError: no states, names or shapes that differ, or whole numbers that differ.

    Example:
        >>> average_weights([{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 2.0])}])
        {'w': tensor([2., 2.])}
    """
    if not states:
        raise ForageError("An average needs at least one reward model.")
    for number, state in enumerate(states[1:], 2):
        _check_alike(states[0], state, number)
    result: dict[str, Tensor] = {}
    for name, value in states[0].items():
        others = [state[name].to(value.device) for state in states]
        if value.is_floating_point():
            result[name] = torch.stack([other.double() for other in others]).mean(0).to(value.dtype)
        elif any(not torch.equal(value, other) for other in others):
            raise ForageError(f"The reward models differ in {name}, which holds no numbers that could be averaged.")
        else:
            result[name] = value.clone()
    return result


def _check_alike(first: Mapping[str, Tensor], state: Mapping[str, Tensor], number: int) -> None:
    different = sorted(
        name
        for name in first.keys() | state.keys()
        if name not in first or name not in state or first[name].shape != state[name].shape
    )
    if different:
        raise ForageError(
            f"Reward model {number} cannot be averaged with the first: they differ in {different[0]} and "
            f"{len(different) - 1} more tensors. Models of one average begin as one model."
        )

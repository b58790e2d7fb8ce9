"""Entropy-regularized soft labels (ER-PRM, Zhang et al., arXiv 2412.11006)."""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError


def soft_label(outcomes: Tensor, *, eta: float) -> Tensor:
    """The value of a state under an entropy-regularized objective (ER-PRM, arXiv 2412.11006).

        (1 / eta) ln mean exp(eta y)

    From Monte-Carlo completions of the reference policy: between the mean (eta 0) and the best (eta inf) outcome.
    Computed without overflow or cancellation for every eta.

    Args:
        outcomes: (..., M) of any number type, M >= 1, the outcomes y.
        eta: any number; 0 is the mean, inf the maximum, -inf the minimum.

    Returns:
        (...) float64, between the smallest and the largest outcome.

    Raises:
        ForageError: no outcomes, or a NaN eta.

    Example:
        >>> [round(soft_label(torch.tensor([1, 0, 0, 0]), eta=eta).item(), 4) for eta in (0, 1, torch.inf)]
        [0.25, 0.3574, 1.0]
    """
    if outcomes.dim() == 0 or outcomes.shape[-1] == 0:
        raise ForageError("A soft label needs at least one outcome.")
    if math.isnan(eta):
        raise ForageError("eta must be a number (0 for the mean, inf for the maximum), not NaN.")
    value = outcomes.double()
    low, high = value.amin(-1), value.amax(-1)
    extreme = high if eta > 0 else low
    if math.isinf(eta):
        return extreme
    if abs(eta) < 1e-100:  # the difference to the mean is of the order of eta
        return value.mean(-1)
    # Every exponent is 0 or less and one is 0, so nothing overflows; expm1 and log1p keep the digits near eta = 0.
    exponent = eta * (value - extreme[..., None])
    label = extreme + torch.log1p(torch.expm1(exponent).mean(-1)) / eta
    return label.clamp(low, high)

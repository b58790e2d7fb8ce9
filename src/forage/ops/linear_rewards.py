"""Rewards that are linear in a vector of a response: their likelihood under pairs, and how far they can be trusted.

Axes: N pairs, B responses, D numbers of a vector.
"""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape

ROUNDS = 100


def linear_preferences(difference: Tensor, *, ridge: float = 0.01) -> Tensor:
    """The linear reward under which pairs are most likely (Bradley-Terry, arXiv 2301.11270, section 3).

        argmin_theta (1 / N) sum_n ln(1 + exp(-theta . d_n)) + ridge / 2 |theta|^2,  d = phi(chosen) - phi(rejected)

    The objective is strictly convex; it is solved by Newton's method in float64, its steps halved until it falls.

    Args:
        difference: (N, D) float, the vector of the preferred response minus that of the other one.
        ridge: how strongly theta is held at 0, above 0.

    Returns:
        (D,) float64.

    Raises:
        ForageError: no pairs, or a ridge of 0 or less.

    Example:
        >>> pairs = torch.tensor([[1.0], [1.0], [1.0], [-1.0]])
        >>> linear_preferences(pairs, ridge=1e-9).exp()
        tensor([3.0000], dtype=torch.float64)
    """
    _check(difference, ridge)
    d = difference.double()
    theta = torch.zeros(d.shape[1], dtype=torch.float64)
    for _ in range(ROUNDS):
        wrong = torch.sigmoid(-(d @ theta))
        slope = ridge * theta - d.T @ wrong / len(d)
        if float(slope.abs().max()) < 1e-12:
            break
        curve = (d * (wrong * (1 - wrong))[:, None]).T @ d / len(d)
        step = torch.linalg.solve(curve + ridge * torch.eye(len(theta), dtype=torch.float64), slope)
        size = 1.0
        while size > 1e-9 and _loss(d, theta - size * step, ridge) > _loss(d, theta, ridge):
            size /= 2
        theta = theta - size * step
    return theta


def confidence_width(
    feature: Tensor, difference: Tensor, *, ridge: float = 0.01, center: Tensor | None = None
) -> Tensor:
    """How little pairs say about a response: its distance from a reference in the metric of what they cover.

        sqrt((phi - nu)^T (S + ridge I)^-1 (phi - nu)),  S = (1 / N) sum_n d_n d_n^T     (arXiv 2301.11270, section 3)

    Args:
        feature: (B, D) float, phi.
        difference: (N, D) float, d.
        ridge: lambda, above 0.
        center: (D,) float, nu; 0 unless given.

    Returns:
        (B,) float64, 0 or more.

    Raises:
        ForageError: no pairs, or a ridge of 0 or less.
        ValueError: the shapes differ.

    Example:
        >>> pairs = torch.tensor([[2.0, 0.0], [-2.0, 0.0]])
        >>> confidence_width(torch.eye(2), pairs, ridge=1.0)
        tensor([0.4472, 1.0000], dtype=torch.float64)
    """
    _check(difference, ridge)
    require_shape((len(feature), difference.shape[1]), feature=feature)
    d = difference.double()
    metric = d.T @ d / len(d) + ridge * torch.eye(d.shape[1], dtype=torch.float64)
    shifted = feature.double() if center is None else feature.double() - center.double()
    return (shifted * torch.linalg.solve(metric, shifted.T).T).sum(1).clamp_min(0).sqrt()


def confidence_radius(
    pairs: int, dimensions: int, *, ridge: float = 0.01, bound: float = 1.0, length: float = 1.0, delta: float = 0.1
) -> float:
    """The factor of `confidence_width` that theory asks for, up to a constant (arXiv 2301.11270, lemma 3.1).

        sqrt((D + ln(1 / delta)) / (gamma^2 N) + ridge B^2),  gamma = 1 / (2 + exp(-L B) + exp(L B))

    It is large for few pairs; the methods take a radius of their own.

    Args:
        pairs: N, 1 or more.
        dimensions: D.
        ridge: lambda.
        bound: B, the largest length of theta.
        length: L, the largest length of a vector.
        delta: the chance to be wrong, in (0, 1).

    Returns:
        A float above 0.

    Raises:
        ForageError: no pairs, or a delta out of its range.

    Example:
        >>> round(confidence_radius(1000, 8), 3)
        0.526
    """
    if pairs < 1 or not 0 < delta < 1:
        raise ForageError(f"A radius needs 1 pair or more and a delta in (0, 1), not {pairs} and {delta}.")
    gamma = 1 / (2 + math.exp(-length * bound) + math.exp(length * bound))
    return math.sqrt((dimensions + math.log(1 / delta)) / (gamma**2 * pairs) + ridge * bound**2)


def _loss(difference: Tensor, theta: Tensor, ridge: float) -> float:
    return float(torch.nn.functional.softplus(-(difference @ theta)).mean() + ridge / 2 * theta.square().sum())


def _check(difference: Tensor, ridge: float) -> None:
    if difference.dim() != 2 or not len(difference):
        raise ForageError("A linear reward learns from at least one pair, given as (N, D) differences.")
    if not 0 < ridge < math.inf:
        raise ForageError(f"The ridge of a linear reward lies above 0, not at {ridge}.")

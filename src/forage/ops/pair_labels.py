"""Strengths from labels of pairs: which of two responses a judge prefers, ties included (arXiv 2406.19644).

Axes: N comparisons, R responses.
"""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape
from forage.ops.preferences import preference_loss

ITERATIONS = 100
"""Newton steps at most; a fit takes about ten."""

CONVERGED = 1e-10
"""The largest entry of a gradient that counts as 0."""

ROUNDING = 1e-12
"""By how much of itself a loss may seem to rise at its minimum."""


def pair_label_loss(first: Tensor, second: Tensor, label: Tensor) -> Tensor:
    """The negative log-likelihood of soft labels of pairs (Bradley and Terry 1952; LLM4PG, arXiv 2406.19644).

        -p ln sigma(r_1 - r_2) - (1 - p) ln sigma(r_2 - r_1)

    Exchanging the two and their label (p for 1 - p) changes nothing. A tie (p = 1/2) pulls two equal rewards nowhere.

    Args:
        first: (N,) float, rewards of the first responses, r_1.
        second: (N,) float, rewards of the second ones, r_2.
        label: (N,) float, p in [0, 1]: how surely the first is better; 1/2 is a tie.

    Returns:
        (N,) float in nats, 0 or more, with gradients.

    Raises:
        ForageError: a label outside [0, 1].
        ValueError: the shapes differ.

    Example:
        >>> pair_label_loss(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([0.5, 1.0]))
        tensor([0.6931, 0.3133])
    """
    require_shape(tuple(first.shape), second=second, label=label)
    _check_labels(label)
    return preference_loss(first - second, 1 - label)


def bradley_terry_strengths(
    first: Tensor, second: Tensor, label: Tensor, *, responses: int, prior: float = 1.0
) -> Tensor:
    """The strengths under which labels of pairs are most likely, with a normal prior (Bradley and Terry 1952).

        argmin_s  sum_n loss(s_first - s_second, p_n) + (prior / 2) sum_i s_i^2

    The loss is `pair_label_loss`. It is convex, and strictly so by the prior: the one minimum is finite, also where a
    response wins every comparison or has none (0), and Newton's method finds it to rounding. Strengths sum to 0.

    Args:
        first: (N,) int64, numbers of the first responses.
        second: (N,) int64, numbers of the second ones, each another than the first.
        label: (N,) float, p in [0, 1]: how surely the first is better.
        responses: how many there are, R.
        prior: the strength of the pull to 0, above 0: one comparison moves a strength by at most 1 / prior.

    Returns:
        (R,) float64.

    Raises:
        ForageError: a label or the prior out of range, or a response compared with itself or unknown.
        ValueError: the shapes differ.

    Example:
        >>> pairs = torch.tensor([[0, 1], [1, 2], [0, 2]])
        >>> bradley_terry_strengths(pairs[:, 0], pairs[:, 1], torch.tensor([1.0, 0.5, 1.0]), responses=3)
        tensor([ 0.5865, -0.2932, -0.2932], dtype=torch.float64)
    """
    require_shape(tuple(first.shape), second=second, label=label)
    _check_labels(label)
    check_prior(prior)
    if len(first) and (int(min(first.min(), second.min())) < 0 or int(max(first.max(), second.max())) >= responses):
        raise ForageError(f"Comparisons are of responses 0 to {responses - 1}.")
    if bool((first == second).any()):
        raise ForageError("A response cannot be compared with itself.")
    wanted = label.double()
    sides = torch.zeros(len(first), responses, dtype=torch.float64)
    sides.scatter_(1, first[:, None], 1.0).scatter_(1, second[:, None], -1.0)

    def loss(strength: Tensor) -> Tensor:
        return preference_loss(sides @ strength, 1 - wanted).sum() + prior / 2 * strength.square().sum()

    strength = torch.zeros(responses, dtype=torch.float64)
    for _ in range(ITERATIONS):
        chance = torch.sigmoid(sides @ strength)
        gradient = sides.T @ (chance - wanted) + prior * strength
        if not responses or gradient.abs().max() <= CONVERGED:
            break
        curvature = (sides.T * (chance * (1 - chance))) @ sides + prior * torch.eye(responses, dtype=torch.float64)
        move = torch.linalg.solve(curvature, gradient)
        allowed, scale = loss(strength) * (1 + ROUNDING), 1.0
        while loss(strength - scale * move) > allowed and scale > ROUNDING:
            scale /= 2
        strength = strength - scale * move
    return strength


def check_prior(prior: float) -> None:
    """Raises ForageError unless the prior of `bradley_terry_strengths` is in its range."""
    if not 0 < prior < math.inf:
        raise ForageError(f"The prior of strengths is a number above 0, which keeps them finite, not {prior}.")


def _check_labels(label: Tensor) -> None:
    if not bool(((label >= 0) & (label <= 1)).all()):
        raise ForageError("The label of a pair is how surely the first is better: a number from 0 to 1.")

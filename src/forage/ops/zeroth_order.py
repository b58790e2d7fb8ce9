"""A policy gradient from preferences between two policies, without derivatives (ZPG, ZBCPG, arXiv 2409.17401).

Axes: d weights, P pairs of responses.
"""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def random_direction(size: int, *, blocks: int, seed: int) -> Tensor:
    """A random unit vector, or one within a random block of the weights (ZPG and ZBCPG, arXiv 2409.17401).

        v uniform on the unit sphere of the block's coordinates; blocks are every `blocks`-th coordinate

    Args:
        size: d, how many weights there are.
        blocks: how many blocks, 1 to d; 1 is the whole sphere.
        seed: of the draw.

    Returns:
        (d,) float32 on the CPU.

    Raises:
        ForageError: there are more blocks than weights, or none.

    Example:
        >>> direction = random_direction(6, blocks=3, seed=0)
        >>> int((direction != 0).sum()), round(float(direction.norm()), 5)
        (2, 1.0)
    """
    if not 1 <= blocks <= size:
        raise ForageError(f"{size} weights have 1 to {size} blocks, not {blocks}.")
    draw = torch.Generator().manual_seed(seed)
    block = int(torch.randint(blocks, (), generator=draw))
    values = torch.randn(size, generator=draw)
    direction = torch.where(torch.arange(size) % blocks == block, values, 0.0)
    return direction / direction.norm()


def preference_gap(plain: Tensor, perturbed: Tensor, group: Tensor, *, floor: float) -> float:
    """How much better the perturbed policy is, as preferences tell it (Bradley-Terry link, arXiv 2409.17401).

        mean over groups of ln p / (1 - p)        p: share of pairs that the perturbed response wins, in [D, 1 - D]

    Equal rewards are half a win. Pairs that were not judged (NaN) are left out; without any pair the gap is 0.

    Args:
        plain: (P,) float, rewards under the policy.
        perturbed: (P,) float, rewards under the perturbed one, to the same problems.
        group: (P,) int64; pairs of a group answer one problem.
        floor: D, above 0 and below 1/2.

    Returns:
        A float; 0 where both win alike.

    Raises:
        ForageError: the floor is out of range.
        ValueError: the shapes differ.

    Example:
        >>> plain, perturbed = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 1.0, 1.0])
        >>> round(preference_gap(plain, perturbed, torch.zeros(4), floor=0.1), 4)  # two wins and two ties: p = 3/4
        1.0986
    """
    check_floor(floor)
    require_shape(tuple(plain.shape), perturbed=perturbed, group=group)
    judged = ~(plain.isnan() | perturbed.isnan())
    gaps = []
    for number in group[judged].unique():
        pairs = judged & (group == number)
        wins = (1 + (perturbed[pairs] - plain[pairs]).sign().double()) / 2
        share = min(max(float(wins.mean()), floor), 1 - floor)
        gaps.append(math.log(share / (1 - share)))
    return math.fsum(gaps) / len(gaps) if gaps else 0.0


def zeroth_order_gradient(gap: float, direction: Tensor, *, radius: float) -> Tensor:
    """The gradient of the value from its difference along one direction (arXiv 2409.17401).

        g = (d / mu) gap v

    Over directions of the whole sphere, or of blocks of equal size, its mean is the gradient of a linear value.

    Args:
        gap: the value at the weights + mu v less that at the weights.
        direction: (d,) float, v.
        radius: mu, above 0.

    Returns:
        (d,).

    Raises:
        ForageError: the radius is not above 0.

    Example:
        >>> zeroth_order_gradient(0.5, torch.tensor([0.0, 1.0]), radius=0.1)
        tensor([ 0., 10.])
    """
    check_radius(radius)
    return direction * (len(direction) / radius * gap)


def check_floor(floor: float) -> None:
    """Raises ForageError unless the floor of a share of wins lies between 0 and 1/2."""
    if not 0 < floor < 0.5:
        raise ForageError(f"A share of wins is held between a floor above 0 and below 1/2 and its mirror, not {floor}.")


def check_radius(radius: float) -> None:
    """Raises ForageError unless the size of a perturbation is above 0."""
    if not (math.isfinite(radius) and radius > 0):
        raise ForageError(f"The radius of a perturbation is above 0, not {radius}.")

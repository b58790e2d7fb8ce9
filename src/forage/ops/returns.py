"""Advantages along a sequence from rewards and values.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape


def at_last_token(value: Tensor, mask: Tensor) -> Tensor:
    """value (B,) at the last token of each row that is on the mask, 0 elsewhere: (B, T), the dtype of `value`.

    mask (B, T) bool. A row without a token on the mask holds zeros only. Raises ValueError for other shapes.
    """
    require_shape(tuple(mask.shape[:1]), value=value)
    later = mask.flip(1).cumsum(dim=1).flip(1)  # tokens on the mask from here on
    return masked(value[:, None].expand(mask.shape), mask & (later == 1))


def gae(reward: Tensor, value: Tensor, mask: Tensor, *, gamma: float, lam: float) -> Tensor:
    """Generalized advantage estimation (Schulman et al. 2016, arXiv 1506.02438, equation 16).

        delta_t = r_t + gamma V_{t+1} - V_t,  A_t = delta_t + gamma lam A_{t+1}

    Tokens off the mask do not exist: the successor of a token is the next one on the mask, and after the last one the
    value is 0. Advantage plus value is the target of a critic. lam = 1 with values of 0 is the discounted return.

    Args:
        reward: (B, T) float, the reward that follows each token.
        value: (B, T) float, the value of the state before it.
        mask: (B, T) bool, the tokens of the sequence.
        gamma: the discount, in [0, 1].
        lam: lambda, in [0, 1].

    Returns:
        (B, T), 0 off the mask.

    Raises:
        ForageError: gamma or lam lies outside [0, 1].
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> gae(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.5, 0.75]]), mask, gamma=1.0, lam=0.0)
        tensor([[0.0000, 0.2500, 0.2500]])
    """
    check_discounts(gamma, lam)
    require_shape(tuple(mask.shape), reward=reward, value=value)
    reward, value = masked(reward, mask), masked(value, mask)
    next_value, next_advantage = torch.zeros_like(reward[:, 0]), torch.zeros_like(reward[:, 0])
    columns: list[Tensor] = []
    for t in reversed(range(mask.shape[1])):
        here = mask[:, t]
        delta = reward[:, t] + gamma * next_value - value[:, t]
        advantage = delta + gamma * lam * next_advantage
        columns.append(advantage.masked_fill(~here, 0))
        next_value = torch.where(here, value[:, t], next_value)
        next_advantage = torch.where(here, advantage, next_advantage)
    return torch.stack(columns[::-1], dim=1)


def check_discounts(gamma: float, lam: float) -> None:
    """Raises ForageError unless both lie in [0, 1]."""
    if not (0 <= gamma <= 1 and 0 <= lam <= 1):
        raise ForageError(f"gamma and lam must lie between 0 and 1, not {gamma} and {lam}.")


def step_returns(reward: Tensor, step: Tensor, mask: Tensor, *, discount: float) -> Tensor:
    """Discounted sums of the rewards of reasoning steps, from the step of each token on (arXiv 2312.08935 trains so).

        R_l = sum over m >= l of discount^(m - l) r_m

    Args:
        reward: (B, T) float, whose sum over the tokens of a step is the reward of the step.
        step: (B, T) int64, the number of the step of each token, from 0; anything off the mask.
        mask: (B, T) bool, the tokens of the sequence.
        discount: in [0, 1]. 0 is the reward of the token's own step, 1 everything that is still to come.

    Returns:
        (B, T) float64, 0 off the mask.

    Raises:
        ForageError: the discount lies outside [0, 1].
        ValueError: the shapes differ.

    Example:
        >>> step, mask = torch.tensor([[0, 0, 1]]), torch.ones(1, 3, dtype=torch.bool)
        >>> step_returns(torch.tensor([[0.0, 1.0, 2.0]]), step, mask, discount=0.5)
        tensor([[2., 2., 2.]], dtype=torch.float64)
    """
    if not 0 <= discount <= 1:
        raise ForageError(f"The discount must lie between 0 and 1, not {discount}.")
    require_shape(tuple(mask.shape), reward=reward, step=step)
    place = step.masked_fill(~mask, 0)
    total = torch.zeros(len(mask), int(place.max()) + 1 if place.numel() else 1, dtype=torch.float64)
    total = total.to(reward.device).scatter_add(1, place, masked(reward, mask).double())
    for later in reversed(range(1, total.shape[1])):
        total[:, later - 1] += discount * total[:, later]
    return masked(total.gather(1, place), mask)


def value_differences(value: Tensor, step_value: Tensor, step: Tensor, mask: Tensor) -> Tensor:
    """Each step is credited with what it changed in the value of the state (VinePPO, arXiv 2410.01679).

        A_j = V(s_{j+1}) - V(s_j) on all tokens of step j; the last step gets R - V(s_j)

    With an undiscounted return the advantages of the steps sum to R - V(s_0).

    Args:
        value: (B,) float, the return R of each response.
        step_value: (B, T) float, V of the state before the step of each token.
        step: (B, T) int64, the number of the step of each token.
        mask: (B, T) bool, the tokens of the response.

    Returns:
        (B, T), 0 off the mask; NaN throughout the last step of a row whose return is NaN.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> step, mask = torch.tensor([[0, 0, 1]]), torch.ones(1, 3, dtype=torch.bool)
        >>> value_differences(torch.tensor([1.0]), torch.tensor([[0.25, 0.25, 0.5]]), step, mask)
        tensor([[0.2500, 0.2500, 0.5000]])
    """
    require_shape(tuple(mask.shape[:1]), value=value)
    require_shape(tuple(mask.shape), step_value=step_value, step=step)
    before = masked(step_value, mask)
    rows, width = before.shape
    place = torch.arange(width, device=before.device).expand(rows, width)
    successor = torch.full_like(place, width - 1)  # the next token on the mask; tokens off it do not exist
    successor[:, :-1] = _nearest(mask, place)[:, 1:].clamp_max(width - 1)
    followed = mask & mask.gather(1, successor) & (successor > place)
    border = followed & (step.gather(1, successor) != step)  # the last tokens of all steps but the last
    nearest = _nearest(border, place)
    last = nearest.clamp_max(width - 1)
    after = torch.where(nearest < width, before.gather(1, successor.gather(1, last)), value[:, None])
    return masked(after - before, mask)


def _nearest(chosen: Tensor, place: Tensor) -> Tensor:
    """(B, T) int64: the nearest chosen place at or behind each token, T where there is none."""
    return torch.where(chosen, place, chosen.shape[1]).flip(1).cummin(dim=1).values.flip(1)

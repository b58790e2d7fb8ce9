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
    """Generalized advantage estimation: A_t = delta_t + gamma * lam * A_{t+1}, delta_t = r_t + gamma * V_{t+1} - V_t.

    Schulman et al. 2016 (arXiv 1506.02438), equation 16. reward and value (B, T) float: the reward that follows token
    t, and the value of the state before it; mask (B, T) bool: the tokens of the sequence. Tokens off the mask do not
    exist: the successor of a token is the next one on the mask, and after the last one the value is 0. Returns (B, T),
    0 off the mask; advantage plus value is the target for a critic. With lam = 1 and values of 0 it is the discounted
    return. Raises ForageError unless gamma and lam lie in [0, 1].
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
    """Discounted sums of the rewards of reasoning steps, from the step of each token on: (B, T) float64.

    reward (B, T) float, whose sum over the tokens of a step is the reward of the step; step (B, T) int64 numbers the
    steps from 0 (off the mask anything); mask (B, T) bool. A token of step l gets the sum over m >= l of
    discount^(m - l) times the reward of step m, and 0 off the mask. Raises ForageError unless discount lies in [0, 1].
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

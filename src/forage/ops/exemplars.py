"""The weight of stored responses in a loss. Axes: B sequences, T tokens, K stored modes of a problem."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape

Shares = Literal["uniform", "frequency", "tokens"]


def replay_scale(group_size: int) -> float:
    """How strongly stored responses are learned from beside a policy gradient over siblings (ModeBench, 2026).

        s = (G - 1) / G^2

    A lone right response among G has the centered advantage (G - 1) / G and the share 1 / G of its group's loss: at
    strength 1 all exemplars of a problem together pull as that response does.

    Args:
        group_size: G, at least 1.

    Returns:
        s, a float in [0, 1/4].

    Raises:
        ForageError: fewer than one sibling.

    Example:
        >>> replay_scale(16)
        0.05859375
    """
    if group_size < 1:
        raise ForageError(f"A group has at least one sibling, not {group_size}.")
    return (group_size - 1) / group_size**2


def mode_shares(amounts: Sequence[int], *, by: Shares = "uniform") -> Tensor:
    """The share of every stored mode in what a problem's exemplars teach (ModeBench, 2026).

        w_c = 1 / K               "uniform": every mode alike, however often it was met
        w_c = n_c / sum_j n_j     "frequency", its control: as often as it was met
        w_c = l_c / sum_j l_j     "tokens": every token of the exemplars alike

    With "uniform" a response counts its share however long it is: a token of a long one counts less, and so does the
    one that chose its mode. With "tokens" that choice counts alike in all.

    The pull towards uniform shares balances the modes. Shares by frequency, where they are the policy's own, pull along
    the gradient of the success probability and keep no mode that would be lost without them.

    Args:
        amounts: n, how often each of the K modes was met, or l, the tokens of its exemplar, all at least 1.
        by: "uniform", "frequency" or "tokens".

    Returns:
        (K,) float64 with the sum 1; empty without modes.

    Raises:
        ForageError: another rule, or an amount below 1.

    Example:
        >>> mode_shares([6, 1, 1], by="frequency")
        tensor([0.7500, 0.1250, 0.1250], dtype=torch.float64)
    """
    if by not in ("uniform", "frequency", "tokens"):
        raise ForageError(f'Modes have shares that are "uniform" or by "frequency" or "tokens", not {by!r}.')
    if any(count < 1 for count in amounts):
        raise ForageError(f"A stored mode was met at least once and has a token at least, not {list(amounts)}.")
    count = torch.tensor(amounts, dtype=torch.float64)
    if by == "uniform":
        count = torch.ones_like(count)
    return count / count.sum()


def exemplar_weights(mask: Tensor, weight: Tensor) -> Tensor:
    """Token weights under which a stored response counts its weight, however long it is (ModeBench, 2026).

        w_bt = w_b / n_b      on the n_b tokens of response b

    Args:
        mask: (B, T) bool, the tokens that are learned from.
        weight: (B,) float.

    Returns:
        (B, T) float32, 0 off the mask.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> exemplar_weights(torch.tensor([[True, False], [True, True]]), torch.tensor([0.5, 0.5]))
        tensor([[0.5000, 0.0000],
                [0.2500, 0.2500]])
    """
    require_shape((mask.shape[0],), weight=weight)
    length = mask.sum(dim=1).clamp_min(1).double()
    return (mask.double() * (weight.double() / length)[:, None]).to(torch.float32)

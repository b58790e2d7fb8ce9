"""The weight of stored responses in a loss. Axes: B sequences, T tokens."""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def replay_scale(siblings: int) -> float:
    """(G - 1) / G^2: the size of the replay term beside a policy gradient that is centered over G siblings.

    A lone right response among G has the advantage (G - 1) / G and the share 1 / G of the group's loss: at strength 1 a
    stored response pulls as that one does. Raises ForageError for fewer than one sibling.
    """
    if siblings < 1:
        raise ForageError(f"A group has at least one sibling, not {siblings}.")
    return (siblings - 1) / siblings**2


def exemplar_weights(loss_mask: Tensor, weight: Tensor) -> Tensor:
    """w_b / n_b on the n_b learned tokens of sequence b: a sequence counts w_b, however long it is.

    loss_mask (B, T) bool, weight (B,) -> (B, T) float32, 0 off the mask.
    """
    require_shape((loss_mask.shape[0],), weight=weight)
    length = loss_mask.sum(dim=1).clamp_min(1).double()
    return (loss_mask.double() * (weight.double() / length)[:, None]).to(torch.float32)

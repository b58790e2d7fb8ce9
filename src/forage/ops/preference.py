"""Preferences between two steps: the direct preference loss with labels that are wrong now and then.

Axes: N pairs.
"""

import torch
from torch import Tensor
from torch.nn import functional

from forage.errors import ForageError
from forage.ops.masked import require_shape


def visit_smoothing(winner: int, loser: int) -> float:
    """How far a preference is doubted: 1 - 1 / (1 + loser / max(1, winner)), at most 1/2 (arXiv 2405.00451).

    winner and loser count the visits of the two steps in the search. Equal visits: 1/2; a loser that was never visited:
    0; (10, 2): 1/6. Raises ForageError for negative counts.
    """
    if min(winner, loser) < 0:
        raise ForageError(f"Visits are counts, so 0 or more, not {winner} and {loser}.")
    return min(1 - 1 / (1 + loser / max(1, winner)), 0.5)


def preference_loss(margin: Tensor, smoothing: Tensor) -> Tensor:
    """-(1 - eps) log sigma(m) - eps log sigma(-m): (N,), of the dtype of margin (arXiv 2405.00451; cDPO).

    margin (N,) float is beta times (log pi/ref of the winner minus that of the loser); smoothing (N,) float, eps in
    [0, 1/2]. With eps 0 it is DPO (arXiv 2305.18290, equation 7); with eps 1/2 it is least, and flat, at m = 0.
    """
    require_shape(tuple(margin.shape), smoothing=smoothing)
    return -(1 - smoothing) * functional.logsigmoid(margin) - smoothing * functional.logsigmoid(-margin)


def preference_pull(margin: Tensor, smoothing: Tensor) -> Tensor:
    """Minus the derivative of `preference_loss` by the margin: (1 - eps) - sigma(m), (N,), in [-1/2, 1].

    It falls through 0 where sigma(m) = 1 - eps: a doubted preference is not pressed beyond its confidence.
    """
    require_shape(tuple(margin.shape), smoothing=smoothing)
    return (1 - smoothing) - torch.sigmoid(margin)

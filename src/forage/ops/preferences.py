"""Preferences between responses or steps: how likely a model finds them, and how far a search may be believed.

Axes: N comparisons, K responses to one prompt in the order of preference.
"""

import torch
from torch import Tensor
from torch.nn import functional

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def bradley_terry_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """-ln sigma(chosen - rejected): the negative log-likelihood of pairwise preferences, in nats.

    chosen and rejected (N,) float: rewards of the two responses; returns (N,) float, 0 or more, with gradients. Only
    differences matter. Bradley and Terry (1952); as the loss of a reward model: arXiv 2203.02155, equation 1.
    """
    return functional.softplus(rejected - chosen)


def plackett_luce_loss(reward: Tensor, ranked: Tensor) -> Tensor:
    """-sum_k [ r_k - ln sum_{j >= k} exp r_j ]: the negative log-likelihood of rankings, in nats.

    reward (N, K) float, best first; ranked (N, K) bool, False behind the end of a shorter ranking (whatever stands
    there, NaN included, does not matter). Returns (N,) float, 0 or more, with gradients; with K = 2 it is
    `bradley_terry_loss`. Only differences matter. Luce (1959), Plackett (1975); for reward models: arXiv 2301.11270,
    section 4. Raises ForageError where a ranking has a gap.
    """
    if reward.shape != ranked.shape or reward.dim() != 2:
        raise ForageError(f"Rewards {tuple(reward.shape)} and ranked {tuple(ranked.shape)} must both be (N, K).")
    if bool((ranked[:, 1:] & ~ranked[:, :-1]).any()):
        raise ForageError("A ranking is its first places without a gap: `ranked` must not be False before a True.")
    lowest = torch.finfo(reward.dtype).min
    kept = torch.where(ranked, reward, torch.zeros_like(reward))
    behind = torch.where(ranked, reward, torch.full_like(reward, lowest)).flip(-1).logcumsumexp(-1).flip(-1)
    return (torch.where(ranked, behind, torch.zeros_like(behind)) - kept).sum(-1)


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

"""Preferences between responses or steps: how likely a model finds them, and how far a search may be believed.

Axes: N comparisons, K responses to one prompt in the order of preference.
"""

import torch
from torch import Tensor
from torch.nn import functional

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def bradley_terry_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """The negative log-likelihood of pairwise preferences (Bradley and Terry 1952; arXiv 2203.02155, equation 1).

        -ln sigma(chosen - rejected)

    Args:
        chosen: (N,) float, rewards of the preferred responses.
        rejected: (N,) float, rewards of the others.

    Returns:
        (N,) float in nats, 0 or more, with gradients. Only differences matter.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> bradley_terry_loss(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 2.0]))
        tensor([0.6931, 2.1269])
    """
    require_shape(tuple(chosen.shape), rejected=rejected)
    return functional.softplus(rejected - chosen)


def classifier_loss(logit: Tensor, wanted: Tensor) -> Tensor:
    """The negative log-likelihood of whether each response is wanted (logistic regression, Cox 1958).

        -ln sigma(z) where it is, -ln sigma(-z) where it is not

    Args:
        logit: (N,) float, what a classifier with one output says.
        wanted: (N,) bool, whether the response is of that kind.

    Returns:
        (N,) float in nats, 0 or more, with gradients.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> classifier_loss(torch.tensor([1.0, 1.0]), torch.tensor([True, False]))
        tensor([0.3133, 1.3133])
    """
    require_shape(tuple(logit.shape), wanted=wanted)
    return functional.softplus(torch.where(wanted, -logit, logit))


def plackett_luce_loss(reward: Tensor, ranked: Tensor) -> Tensor:
    """The negative log-likelihood of rankings (Luce 1959, Plackett 1975; arXiv 2301.11270, section 4).

        -sum_k [r_k - ln sum_{j >= k} exp r_j]

    With K = 2 it is `bradley_terry_loss`. Only differences matter.

    Args:
        reward: (N, K) float, best first.
        ranked: (N, K) bool, False behind the end of a shorter ranking, where anything may stand, NaN included.

    Returns:
        (N,) float in nats, 0 or more, with gradients.

    Raises:
        ForageError: a ranking with a gap, or shapes other than (N, K).

    Example:
        >>> plackett_luce_loss(torch.zeros(1, 3), torch.ones(1, 3, dtype=torch.bool)).exp()
        tensor([6.])
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
    """How far a preference between two steps of a search is doubted (MCTS-DPO, arXiv 2405.00451).

        eps = 1 - 1 / (1 + loser / max(1, winner)), at most 1/2

    Args:
        winner: visits of the preferred step.
        loser: visits of the other one.

    Returns:
        A float in [0, 1/2].

    Raises:
        ForageError: a negative count.

    Example:
        >>> visit_smoothing(3, 1), visit_smoothing(5, 5), visit_smoothing(4, 0)
        (0.25, 0.5, 0.0)
    """
    if min(winner, loser) < 0:
        raise ForageError(f"Visits are counts, so 0 or more, not {winner} and {loser}.")
    return min(1 - 1 / (1 + loser / max(1, winner)), 0.5)


def preference_loss(margin: Tensor, smoothing: Tensor) -> Tensor:
    """Direct preference optimization, with smoothed labels (DPO, arXiv 2305.18290, equation 7; arXiv 2405.00451).

        -(1 - eps) ln sigma(m) - eps ln sigma(-m),  m = beta (log pi/ref of the winner - log pi/ref of the loser)

    With eps = 0 it is DPO; with eps = 1/2 it is least, and flat, at m = 0.

    Args:
        margin: (N,) float, m.
        smoothing: (N,) float, eps in [0, 1/2].

    Returns:
        (N,) of the dtype of `margin`, with gradients.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> preference_loss(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 0.0]))
        tensor([0.6931, 0.1269])
    """
    require_shape(tuple(margin.shape), smoothing=smoothing)
    return -(1 - smoothing) * functional.logsigmoid(margin) - smoothing * functional.logsigmoid(-margin)


def preference_pull(margin: Tensor, smoothing: Tensor) -> Tensor:
    """How strongly `preference_loss` pulls: minus its derivative by the margin (arXiv 2405.00451).

        (1 - eps) - sigma(m)

    It is 0 where sigma(m) = 1 - eps: a doubted preference is not pressed beyond its confidence.

    Args:
        margin: (N,) float, m.
        smoothing: (N,) float, eps in [0, 1/2].

    Returns:
        (N,) float in [-1/2, 1].

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> preference_pull(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 0.25]))
        tensor([0.5000, 0.2500])
    """
    require_shape(tuple(margin.shape), smoothing=smoothing)
    return (1 - smoothing) - torch.sigmoid(margin)

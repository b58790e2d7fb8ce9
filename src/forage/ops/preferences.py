"""How likely a model finds the preferences of people.

Axes: N comparisons, K responses to one prompt in the order of preference.
"""

import torch
from torch import Tensor
from torch.nn import functional

from forage.errors import ForageError


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

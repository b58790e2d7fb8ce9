"""Which tokens make a policy gradient lower the entropy: the covariance of advantage and log-probability.

"The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models" (arXiv 2505.22617). Axes: B sequences,
T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, masked_mean, require_shape


@torch.no_grad()
def token_covariance(advantage: Tensor, logprob: Tensor, mask: Tensor) -> Tensor:
    """(A - mean A) (log pi - mean log pi), means over the mask: (B, T) float64, 0 off the mask.

    Its mean over the mask is the covariance of the two. advantage and logprob (B, T) float, mask (B, T) bool.
    """
    require_shape(tuple(mask.shape), advantage=advantage, logprob=logprob)
    first, second = masked(advantage, mask).double(), masked(logprob, mask).double()
    return masked((first - masked_mean(first, mask)) * (second - masked_mean(second, mask)), mask)


def share_count(share: float, mask: Tensor) -> int:
    """How many tokens a share of the mask is: max(1, whole part), and none where the mask is empty."""
    tokens = int(mask.sum())
    return min(max(1, int(share * tokens)), tokens)


@torch.no_grad()
def largest(score: Tensor, eligible: Tensor, count: int) -> Tensor:
    """(B, T) bool: the `count` eligible places of the largest score, or all of them where there are fewer.

    score (B, T) float, eligible (B, T) bool. Places of equal score are taken in row order.
    """
    require_shape(tuple(eligible.shape), score=score)
    ranked = score.masked_fill(~eligible, -torch.inf).flatten().argsort(descending=True, stable=True)
    chosen = torch.zeros(eligible.numel(), dtype=torch.bool, device=eligible.device)
    chosen[ranked[:count]] = True
    return chosen.view_as(eligible) & eligible


def check_share(share: float) -> None:
    """Raises ForageError unless `share` lies in (0, 1]."""
    if not 0 < share <= 1:
        raise ForageError(f"The share of tokens must lie above 0 and at most at 1, not {share}.")

"""Surrogates: how the advantage of a token becomes a loss, and how far the importance ratio may move.

r = pi / mu is the ratio of the policy being updated to the policy that sampled. Every surrogate takes (logprob,
behaviour, advantage, mask) and its bounds by keyword, and returns (loss, clipped): the loss of each token, and a bool
tensor that marks the tokens the rule held back. Only `logprob` carries a gradient, and where r = 1 it is that of
-A log pi, so at the first update of a batch all surrogates agree. `forage.ops.trust_regions` has more of them.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape
from forage.ops.ratios import clip, sequence_ratio, token_ratio


def reinforce(logprob: Tensor, behaviour: Tensor, advantage: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The plain policy gradient, without a ratio or a clip (Williams 1992).

        loss = -A log pi

    Args:
        logprob: (B, T) float, log pi of the sampled tokens under the policy being updated.
        behaviour: (B, T) float, their log-probability under the policy that sampled; its values are not used.
        advantage: (B, T) float, A.
        mask: (B, T) bool, the tokens that are learned from.

    Returns:
        loss: (B, T) float, 0 off the mask; the gradient flows through `logprob` only.
        clipped: (B, T) bool, nowhere True.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> one = torch.ones(1, 2, dtype=torch.bool)
        >>> reinforce(torch.tensor([[-0.5, -1.0]]), torch.zeros(1, 2), torch.tensor([[2.0, -1.0]]), one)[0]
        tensor([[ 1., -1.]])
    """
    require_shape(tuple(mask.shape), logprob=logprob, behaviour=behaviour, advantage=advantage)
    return -masked(advantage.detach(), mask) * masked(logprob, mask), torch.zeros_like(mask)


def ppo_clip(
    logprob: Tensor, behaviour: Tensor, advantage: Tensor, mask: Tensor, *, low: float = 0.2, high: float = 0.2
) -> tuple[Tensor, Tensor]:
    """The clipped surrogate of PPO (Schulman et al. 2017, arXiv 1707.06347, equation 7).

        loss = -min(r A, clip(r, 1 - low, 1 + high) A)

    A token is clipped, without a gradient, where its ratio has already moved beyond the bound in the direction that its
    advantage asks for. `high` above `low` is the "clip-higher" of DAPO (arXiv 2503.14476).

    Args:
        logprob: (B, T) float, log pi of the sampled tokens under the policy being updated.
        behaviour: (B, T) float, their log-probability under the policy that sampled.
        advantage: (B, T) float, A.
        mask: (B, T) bool, the tokens that are learned from.
        low: how far the ratio may fall below 1, in [0, 1].
        high: how far the ratio may rise above 1, 0 or more.

    Returns:
        loss: (B, T) float, 0 off the mask; the gradient flows through `logprob` only.
        clipped: (B, T) bool, the tokens whose clipped branch was taken.

    Raises:
        ForageError: a bound lies outside its range.
        ValueError: the shapes differ.

    Example:
        >>> ratio = torch.tensor([[1.5, 1.5, 0.5]])
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> ppo_clip(ratio.log(), torch.zeros(1, 3), torch.tensor([[1.0, -1.0, 1.0]]), mask)
        (tensor([[-1.2000,  1.5000, -0.5000]]), tensor([[ True, False, False]]))
    """
    check_bounds(low, high)
    return _pessimistic(token_ratio(logprob, behaviour, mask), advantage, mask, low, high)


def gspo(
    logprob: Tensor, behaviour: Tensor, advantage: Tensor, mask: Tensor, *, low: float = 3e-4, high: float = 4e-4
) -> tuple[Tensor, Tensor]:
    """Clipping by one length-normalized ratio per sequence (Zheng et al. 2025, arXiv 2507.18071, equations 5 to 7).

        s = (pi(y) / mu(y))^(1 / |y|),    loss = -min(s A, clip(s, 1 - low, 1 + high) A)

    In the paper's token form (equations 13 and 14): with one advantage per sequence and `sequence_mean` it is GSPO
    itself, value and gradient, and tokens may have advantages of their own.

    Args:
        logprob: (B, T) float, log pi of the sampled tokens under the policy being updated.
        behaviour: (B, T) float, their log-probability under the policy that sampled.
        advantage: (B, T) float, A.
        mask: (B, T) bool, the tokens that are learned from; |y| is their number in a row.
        low: how far the ratio may fall below 1, in [0, 1].
        high: how far the ratio may rise above 1, 0 or more. The published bounds are the defaults.

    Returns:
        loss: (B, T) float, 0 off the mask; the gradient flows through `logprob` only.
        clipped: (B, T) bool, the tokens whose clipped branch was taken.

    Raises:
        ForageError: a bound lies outside its range.
        ValueError: the shapes differ.

    Example:
        >>> ratio = torch.tensor([[2.0, 0.5]])  # the sequence as a whole has not moved
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> gspo(ratio.log(), torch.zeros(1, 2), torch.ones(1, 2), mask)
        (tensor([[-1., -1.]]), tensor([[False, False]]))
    """
    check_bounds(low, high)
    return _pessimistic(sequence_ratio(logprob, behaviour, mask), advantage, mask, low, high)


def cispo(
    logprob: Tensor, behaviour: Tensor, advantage: Tensor, mask: Tensor, *, low: float = 1.0, high: float = 0.2
) -> tuple[Tensor, Tensor]:
    """REINFORCE under a clipped importance weight (MiniMax-M1, arXiv 2506.13585, equations 4 and 5).

        loss = -sg[clip(r, 1 - low, 1 + high)] A log pi

    The weight is clipped, never the gradient: a token that moved far is still learned from. The paper has no lower
    bound (low = 1) and does not publish the upper one.

    Args:
        logprob: (B, T) float, log pi of the sampled tokens under the policy being updated.
        behaviour: (B, T) float, their log-probability under the policy that sampled.
        advantage: (B, T) float, A.
        mask: (B, T) bool, the tokens that are learned from.
        low: how far the weight may fall below 1, in [0, 1].
        high: how far the weight may rise above 1, 0 or more.

    Returns:
        loss: (B, T) float, 0 off the mask; the gradient flows through `logprob` only.
        clipped: (B, T) bool, the tokens with an advantage whose weight was held at a bound.

    Raises:
        ForageError: a bound lies outside its range.
        ValueError: the shapes differ.

    Example:
        >>> logprob, behaviour = torch.tensor([[-1.0, -1.0]]), torch.tensor([[-2.0, -1.0]])
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> cispo(logprob, behaviour, torch.ones(1, 2), mask)  # the first ratio is e, its weight 1.2
        (tensor([[1.2000, 1.0000]]), tensor([[ True, False]]))
    """
    check_bounds(low, high)
    ratio = token_ratio(logprob.detach(), behaviour, mask)
    advantage = masked(advantage.detach(), mask)
    held = (ratio < 1 - low) | (ratio > 1 + high)
    loss = -clip(ratio, low, high) * advantage * masked(logprob, mask)
    return loss, held & (advantage != 0)


def check_bounds(low: float, high: float) -> None:
    """Raises ForageError unless 0 <= low <= 1 and high >= 0."""
    if not (0 <= low <= 1 and high >= 0):
        raise ForageError(f"Ratios are held between 1 - low and 1 + high: low in [0, 1], high >= 0, not {low}, {high}.")


def _pessimistic(ratio: Tensor, advantage: Tensor, mask: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """-min(r A, clip(r) A), and where the clipped branch was taken, so that no gradient is left."""
    advantage = masked(advantage.detach(), mask)
    free, held = ratio * advantage, clip(ratio, low, high) * advantage
    return -torch.minimum(free, held), (held < free).detach()

"""Which tokens make a policy gradient lower the entropy: the covariance of advantage and log-probability.

"The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models" (arXiv 2505.22617). Axes: B sequences,
T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, masked_mean, require_shape
from forage.ops.ratios import token_ratio


@torch.no_grad()
def token_covariance(advantage: Tensor, logprob: Tensor, mask: Tensor) -> Tensor:
    """Which tokens make a policy gradient lower the entropy (arXiv 2505.22617, section 3).

        cov = (A - mean A) (log pi - mean log pi)

    Its mean over the mask is the covariance of advantage and log-probability.

    Args:
        advantage: (B, T) float, A.
        logprob: (B, T) float, log pi of the sampled tokens.
        mask: (B, T) bool, over which the means are taken.

    Returns:
        (B, T) float64 without a gradient, 0 off the mask.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> token_covariance(torch.tensor([[1.0, -1.0]]), torch.tensor([[-1.0, -3.0]]), mask)
        tensor([[1., 1.]], dtype=torch.float64)
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


@torch.no_grad()
def clip_cov_tokens(
    advantage: Tensor,
    logprob: Tensor,
    behaviour: Tensor,
    noise: Tensor,
    mask: Tensor,
    *,
    share: float = 2e-4,
    low: float = 1.0,
    high: float = 5.0,
    clip_low: float = 1.0,
    clip_high: float = 1.0,
) -> Tensor:
    """The tokens that Clip-Cov keeps out of the gradient (arXiv 2505.22617, section 4).

        random max(1, share n) of the tokens with low < cov(A, log pi) < high that a clip has not stopped already

    Args:
        advantage: (B, T) float, A.
        logprob: (B, T) float, log pi of the sampled tokens.
        behaviour: (B, T) float, their log-probability under the policy that sampled.
        noise: (B, T) float, independent random numbers; the largest are taken.
        mask: (B, T) bool, the n learned tokens of the whole optimizer step.
        share: in (0, 1], the largest share of all tokens.
        low: the covariance above which a token qualifies.
        high: the covariance below which a token qualifies.
        clip_low: the bound 1 - clip_low of the surrogate's clip.
        clip_high: the bound 1 + clip_high of the surrogate's clip.

    Returns:
        (B, T) bool; multiply the advantage by 0 there.

    Raises:
        ForageError: the share lies outside (0, 1], or not low < high.
        ValueError: the shapes differ.

    Example:
        >>> logprob, mask = torch.tensor([[-1.0, -3.0, -2.0]]), torch.ones(1, 3, dtype=torch.bool)
        >>> advantage, noise = torch.tensor([[2.0, -2.0, 0.0]]), torch.tensor([[0.3, 0.9, 0.5]])
        >>> clip_cov_tokens(advantage, logprob, logprob, noise, mask, share=0.1)
        tensor([[False,  True, False]])
    """
    check_covariance_bounds(share, low, high)
    covariance = token_covariance(advantage, logprob, mask)
    ratio = token_ratio(logprob, behaviour, mask)
    advantage = masked(advantage, mask)
    stopped = ((advantage > 0) & (ratio > 1 + clip_high)) | ((advantage < 0) & (ratio < 1 - clip_low))
    eligible = mask & (covariance > low) & (covariance < high) & ~stopped
    return largest(noise, eligible, min(share_count(share, mask), int(eligible.sum())))


@torch.no_grad()
def kl_cov_tokens(advantage: Tensor, logprob: Tensor, mask: Tensor, *, share: float = 2e-4) -> Tensor:
    """The tokens that KL-Cov holds near the policy that sampled (arXiv 2505.22617, section 4).

        the max(1, share n) tokens of the largest cov(A, log pi); the penalty there is |log pi - log mu|, `log_ratio`

    Args:
        advantage: (B, T) float, A.
        logprob: (B, T) float, log pi of the sampled tokens.
        mask: (B, T) bool, the n learned tokens of the whole optimizer step.
        share: in (0, 1].

    Returns:
        (B, T) bool.

    Raises:
        ForageError: the share lies outside (0, 1].
        ValueError: the shapes differ.

    Example:
        >>> logprob, mask = torch.tensor([[-1.0, -4.0, -2.0]]), torch.ones(1, 3, dtype=torch.bool)
        >>> kl_cov_tokens(torch.tensor([[1.0, -1.0, 0.0]]), logprob, mask, share=0.1)
        tensor([[False,  True, False]])
    """
    check_share(share)
    return largest(token_covariance(advantage, logprob, mask), mask, share_count(share, mask))


@torch.no_grad()
def top_share(score: Tensor, mask: Tensor, *, share: float = 0.2) -> Tensor:
    """The tokens of highest score over a whole step, such as those of highest entropy (arXiv 2506.01939).

        the max(1, round(share n)) of the n tokens with the largest score

    Args:
        score: (B, T) float; minus the entropy or random numbers give the controls.
        mask: (B, T) bool, the n learned tokens of the whole step.
        share: in (0, 1]. Published: 0.2.

    Returns:
        (B, T) bool; tokens of equal score are taken in row order.

    Raises:
        ForageError: the share lies outside (0, 1].
        ValueError: the shapes differ.

    Example:
        >>> top_share(torch.tensor([[0.1, 0.7, 0.3, 0.2, 0.0]]), torch.ones(1, 5, dtype=torch.bool))
        tensor([[False,  True, False, False, False]])
    """
    check_share(share)
    require_shape(tuple(mask.shape), score=score)
    tokens = int(mask.sum())
    return largest(torch.where(mask, score, 0), mask, min(tokens, max(1, round(share * tokens))))


def check_covariance_bounds(share: float, low: float, high: float) -> None:
    """Raises ForageError unless `share` lies in (0, 1] and low < high."""
    check_share(share)
    if not low < high:
        raise ForageError(f"Covariances qualify between low and high: low < high, not {low}, {high}.")

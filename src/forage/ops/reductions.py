"""Reductions: what the losses of tokens are averaged over.

Each returns weights, so that the loss of an optimizer step is the weighted sum of the losses of its tokens and
micro-batches add up. w_b is the weight of sequence b (usually 1), n_b its number of tokens on the mask.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape


def token_mean(mask: Tensor, weight: Tensor) -> Tensor:
    """The mean over all tokens of the step, in which long responses count more (DAPO, arXiv 2503.14476, equation 8).

        w_b / sum_b w_b n_b

    Args:
        mask: (B, T) bool, the tokens that are learned from.
        weight: (B,) float, 0 or more, of the sequences.

    Returns:
        (B, T) float32, what the loss of each token is multiplied by; 0 off the mask and where there are no tokens.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> mask = torch.tensor([[True, True, True], [True, False, False]])
        >>> token_mean(mask, torch.ones(2))
        tensor([[0.2500, 0.2500, 0.2500],
                [0.2500, 0.0000, 0.0000]])
    """
    count = _weighted(mask, weight)
    return _over(count, count.sum())


def sequence_mean(mask: Tensor, weight: Tensor) -> Tensor:
    """The mean over sequences of the mean over their tokens (GRPO, arXiv 2402.03300, equation 3).

        w_b / (n_b sum_b w_b), sums over the sequences that have a token

    Args:
        mask: (B, T) bool, the tokens that are learned from.
        weight: (B,) float, 0 or more, of the sequences.

    Returns:
        (B, T) float32, what the loss of each token is multiplied by; 0 off the mask and where there are no tokens.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> mask = torch.tensor([[True, True], [True, False]])
        >>> sequence_mean(mask, torch.ones(2))
        tensor([[0.2500, 0.2500],
                [0.5000, 0.0000]])
    """
    length = mask.sum(dim=1).double()
    total = weight.double().masked_fill(length == 0, 0).sum()
    return _over(_weighted(mask, weight) / length.clamp_min(1)[:, None], total)


def fixed_length(mask: Tensor, weight: Tensor, *, length: int) -> Tensor:
    """Sums over tokens divided by a constant, the limit of the response (Dr. GRPO, arXiv 2503.20783, section 3.2).

        w_b / (length sum_b w_b)

    Neither a response's length nor that of the others changes the weight of its tokens, so the gradient is unbiased up
    to the constant.

    Args:
        mask: (B, T) bool, the tokens that are learned from.
        weight: (B,) float, 0 or more, of the sequences.
        length: the constant, 1 or more.

    Returns:
        (B, T) float32, what the loss of each token is multiplied by; 0 off the mask.

    Raises:
        ForageError: `length` is below 1.
        ValueError: the shapes do not fit.

    Example:
        >>> mask = torch.tensor([[True, True], [True, False]])
        >>> fixed_length(mask, torch.ones(2), length=4)
        tensor([[0.1250, 0.1250],
                [0.1250, 0.0000]])
    """
    check_length(length)
    return _over(_weighted(mask, weight), length * weight.double().sum())


def kept_denominator(advantage: Tensor, mask: Tensor, *, share: float = 1.0) -> Tensor:
    """A loss averaged over the tokens that are learned from, for rules that drop some (arXiv 2506.01347, section 3).

        A (1 + share (n / k - 1)), n the tokens on the mask, k those of them whose advantage is not 0

    Surrogates are linear in the size of the advantage, so under `token_mean` this is what dropping the others before
    the batch is made gives. It makes the step larger and changes no direction.

    Args:
        advantage: (B, T) float, A.
        mask: (B, T) bool, the tokens of the whole step.
        share: 1 divides by the kept tokens, 0 by all of them, and numbers between go part of the way.

    Returns:
        (B, T) of the dtype of `advantage`, 0 off the mask.

    Raises:
        ForageError: `share` lies outside [0, 1].
        ValueError: the shapes differ.

    Example:
        >>> mask = torch.ones(1, 4, dtype=torch.bool)
        >>> kept_denominator(torch.tensor([[-1.0, -1.0, 0.0, 0.0]]), mask)
        tensor([[-2., -2.,  0.,  0.]])
    """
    check_kept_share(share)
    plain = masked(advantage, mask)
    kept = (plain != 0).sum().clamp_min(1)
    return plain * (1 + share * (mask.sum() / kept - 1))


def check_length(length: int) -> None:
    """Raises ForageError unless `length` is at least 1."""
    if length < 1:
        raise ForageError(f"The constant length must be at least 1 token, not {length}.")


def check_kept_share(share: float) -> None:
    """Raises ForageError unless `share` lies in [0, 1]."""
    if not 0 <= share <= 1:
        raise ForageError(f"share lies between 0 (all tokens) and 1 (kept tokens only), not {share}.")


def _weighted(mask: Tensor, weight: Tensor) -> Tensor:
    """(B, T) float64: the weight of the sequence on its tokens."""
    require_shape((mask.shape[0],), weight=weight)
    return mask.double() * weight.double()[:, None]


def _over(weights: Tensor, total: Tensor) -> Tensor:
    """Zero where there is nothing to average over."""
    return torch.where(total > 0, weights / total, 0).to(torch.float32)

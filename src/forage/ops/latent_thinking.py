"""Thinking partly in embeddings: what a policy expects is blended into what it reads (HRPO, arXiv 2505.18454).

Axes: N tokens, V vocabulary, d width of an embedding.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def expected_embedding(probability: Tensor, embedding: Tensor) -> Tensor:
    """The embedding that a policy expects next, kept at the length of one (HRPO, arXiv 2505.18454).

        h = sum_v p_v e_v / sqrt(sum_v p_v^2)

    The divisor is 1 for a certain policy and makes up for what averaging of unrelated embeddings takes of their length.

    Args:
        probability: (N, V) float, the distribution that each token was drawn from; rows sum to 1.
        embedding: (V, d) float, the embeddings of the vocabulary.

    Returns:
        (N, d) float.

    Raises:
        ValueError: the sizes of the vocabularies differ.

    Example:
        >>> expected_embedding(torch.tensor([[0.5, 0.5], [0.0, 1.0]]), torch.eye(2))
        tensor([[0.7071, 0.7071],
                [0.0000, 1.0000]])
    """
    require_shape((probability.shape[1], embedding.shape[1]), embedding=embedding)
    return probability @ embedding / probability.norm(dim=1, keepdim=True)


def kept_share(decay: Tensor, reset: Tensor, *, c: float = 8.0) -> Tensor:
    """How much of a token's embedding is kept in each dimension (HRPO, arXiv 2505.18454; the gate of an RG-LRU).

        a = exp(-c softplus(-Lam) r) = lambda^r        lambda = sigmoid(Lam)^c

    So a lies between lambda (r = 1) and 1 (r = 0).

    Args:
        decay: (d,) float, Lam; infinity is lambda = 1.
        reset: (N, d) float, r, from 0 to 1.
        c: above 0.

    Returns:
        (N, d) float, above 0 and at most 1.

    Raises:
        ForageError: c is not above 0.
        ValueError: the widths differ.

    Example:
        >>> decay = decay_parameter(torch.tensor([0.81, 1.0]))
        >>> kept_share(decay, torch.tensor([[1.0, 1.0], [0.5, 0.5]]))
        tensor([[0.8100, 1.0000],
                [0.9000, 1.0000]])
    """
    check_sharpness(c)
    require_shape((reset.shape[-1],), decay=decay)
    return torch.exp(-c * softplus(-decay) * reset)


def decay_parameter(least: Tensor, *, c: float = 8.0) -> Tensor:
    """The parameter of `kept_share` under which the least share that is kept is `least` (HRPO, arXiv 2505.18454).

        Lam = -ln(lambda^(-1/c) - 1)

    Args:
        least: (d,) float, lambda, above 0 and at most 1.
        c: above 0.

    Returns:
        (d,) float; infinity where lambda is 1.

    Raises:
        ForageError: c is not above 0, or a lambda is out of range.

    Example:
        >>> decay_parameter(torch.tensor([0.5, 1.0]), c=1.0)
        tensor([-0., inf])
    """
    check_sharpness(c)
    if not bool(((least > 0) & (least <= 1)).all()):
        raise ForageError("The least share of an embedding that is kept, lambda, is above 0 and at most 1.")
    return -torch.expm1(-least.log() / c).log()


def blended_embedding(
    embedding: Tensor, expected: Tensor, kept: Tensor, inject: Tensor, *, eps: float = 1e-8
) -> Tensor:
    """What is read in the place of a token's embedding (HRPO, arXiv 2505.18454).

        e' = a e + sqrt(1 - a^2 + eps) (i h)        and e' = e where a is 1

    The exception is ours: with the published formula a gate that is shut would still let sqrt(eps) h through.

    Args:
        embedding: (N, d) float, e, of the tokens that were drawn.
        expected: (N, d) float, h, see `expected_embedding`.
        kept: (N, d) float, a, see `kept_share`.
        inject: (N, d) float, i, from 0 to 1.
        eps: above 0; it bounds the gradient near a = 1.

    Returns:
        (N, d) float.

    Raises:
        ForageError: eps is not above 0.
        ValueError: the shapes differ.

    Example:
        >>> ones = torch.ones(1, 2)
        >>> blended_embedding(ones, 10 * ones, torch.tensor([[0.6, 1.0]]), 0.5 * ones)
        tensor([[4.6000, 1.0000]])
    """
    if not (math.isfinite(eps) and eps > 0):
        raise ForageError(f"eps bounds a gradient, so it must be above 0, not {eps}.")
    require_shape(tuple(embedding.shape), expected=expected, kept=kept, inject=inject)
    open_gate = kept < 1
    # The root of a 0 that is thrown away would still have an infinite gradient.
    rest = torch.where(open_gate, (1 - kept) * (1 + kept) + eps, 1.0).sqrt()
    return kept * embedding + torch.where(open_gate, rest, 0.0) * (inject * expected)


def check_sharpness(c: float) -> None:
    """Raises ForageError unless c is a finite number above 0."""
    if not (math.isfinite(c) and c > 0):
        raise ForageError(f"The constant c of the gates is above 0, not {c}.")

"""Entropy of how often each kind of thing occurs."""

import torch
from torch import Tensor

from forage.core.errors import ForageError


def semantic_entropy(counts: Tensor) -> Tensor:
    """The entropy of how often each kind of thing occurs (of strategic grams: HICRA, arXiv 2509.03646, section 2).

        -sum_i p_i ln p_i,  p = counts / sum(counts)

    The plug-in estimate is too low for small totals: compare at equal totals.

    Args:
        counts: (..., M) of any number type, 0 or more.

    Returns:
        (...) float64 in [0, ln M]; 0 where nothing was counted.

    Raises:
        ForageError: a negative count.

    Example:
        >>> semantic_entropy(torch.tensor([[2, 2], [4, 0]])).exp()
        tensor([2., 1.], dtype=torch.float64)
    """
    if bool((counts < 0).any()):
        raise ForageError("semantic_entropy takes counts, which cannot be negative.")
    exact = counts.double()
    share = exact / exact.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    return torch.special.entr(share).sum(-1)

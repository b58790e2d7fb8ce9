"""Entropy of how often each kind of thing occurs."""

import torch
from torch import Tensor

from forage.core.errors import ForageError


def semantic_entropy(counts: Tensor) -> Tensor:
    """-sum_i p_i ln p_i in nats with p = counts / sum(counts), over the last axis.

    Of strategic grams it is the "semantic entropy" of HICRA (arXiv 2509.03646, section 2). counts (..., M) of any
    number type, 0 or more; the result (...) is float64 in [0, ln M], and 0 where nothing was counted. The plug-in
    estimate is too low for small totals: compare at equal totals. Raises ForageError for a negative count.
    """
    if bool((counts < 0).any()):
        raise ForageError("semantic_entropy takes counts, which cannot be negative.")
    exact = counts.double()
    share = exact / exact.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    return torch.special.entr(share).sum(-1)

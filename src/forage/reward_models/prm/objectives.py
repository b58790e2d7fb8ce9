"""What a process reward model minimizes.

Axes: N step tags.
"""

import torch
from torch import Tensor
from torch.nn import functional

from forage.ops.masked import require_shape


def step_cross_entropy(logits: Tensor, value: Tensor) -> Tensor:
    """Cross-entropy of the two-way softmax of (good, bad) logits against (v, 1 - v): (N,) float32.

    logits (N, 2) float, value (N,) float in [0, 1] (arXiv 2412.11006, section 3). Minimal, with a zero gradient, where
    the probability of good is v; for v of 0 or 1 it is the usual two-class cross-entropy.
    """
    require_shape((len(logits),), value=value)
    log = functional.log_softmax(logits.float(), dim=-1)
    return -(value * log[:, 0] + (1 - value) * log[:, 1])


def step_ranking(quality: Tensor, right: Tensor, *, margin: float = 4.0) -> Tensor:
    """The process Q-value ranking loss of one solution, 0-dimensional (PQM, arXiv 2410.11287).

    quality (N,) float: Q of every step, in order; right (N,) bool. Q rises along the right steps C and lies `margin`
    below the start (whose Q is 0) at the wrong ones W: the mean over t in C, and over the start where W is not empty,
    of -log[e^Q_t / (1 + sum of e^Q_q over q in C up to t + sum of e^(Q_w + margin) over W)], without the first sum for
    the start. Raises ValueError for a solution without steps.
    """
    require_shape(tuple(quality.shape), right=right)
    if quality.numel() == 0:
        raise ValueError("a solution without steps has no ranking")
    good, bad = quality[right].float(), quality[~right].float() + margin
    start = good.new_zeros(1)
    below = torch.logsumexp(torch.cat([start, bad]), dim=0)
    terms = [below[None]] if len(bad) else []
    if len(good):
        terms.append(torch.logaddexp(below, torch.logcumsumexp(good, dim=0)) - good)
    return torch.cat(terms).mean()

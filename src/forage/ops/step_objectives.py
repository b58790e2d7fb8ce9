"""What a process reward model minimizes.

Axes: N step tags.
"""

import torch
from torch import Tensor
from torch.nn import functional

from forage.ops.masked import require_shape


def step_cross_entropy(logits: Tensor, value: Tensor) -> Tensor:
    """The loss of a process model against labels between 0 and 1 (ER-PRM, arXiv 2412.11006, section 3).

        -v ln p(good) - (1 - v) ln p(bad),  p = softmax of the two logits

    Minimal, with a zero gradient, where p(good) is v; for v of 0 or 1 it is the usual two-class cross-entropy.

    Args:
        logits: (N, 2) float, good and bad.
        value: (N,) float in [0, 1], the labels v.

    Returns:
        (N,) float32, with gradients.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> step_cross_entropy(torch.zeros(2, 2), torch.tensor([1.0, 0.5])).exp()
        tensor([2., 2.])
    """
    require_shape((len(logits),), value=value)
    log = functional.log_softmax(logits.float(), dim=-1)
    return -(value * log[:, 0] + (1 - value) * log[:, 1])


def step_ranking(quality: Tensor, right: Tensor, *, margin: float = 4.0) -> Tensor:
    """The process Q-value ranking loss of one solution (PQM, arXiv 2410.11287).

        mean over t in C of -ln[e^Q_t / (1 + sum of e^Q_q over q in C up to t + sum of e^(Q_w + margin) over W)]

    Q rises along the right steps C and lies `margin` below the start, whose Q is 0, at the wrong ones W. Where W is not
    empty the start is one of the terms, without the first sum.

    Args:
        quality: (N,) float, Q of every step, in order.
        right: (N,) bool, whether the step is in C.
        margin: the distance to the wrong steps.

    Returns:
        () float32, with gradients.

    Raises:
        ValueError: the shapes differ, or the solution has no steps.

    Example:
        >>> step_ranking(torch.tensor([0.0]), torch.tensor([True])).exp()
        tensor(2.)
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

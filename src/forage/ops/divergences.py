"""Estimators of the Kullback-Leibler divergence from single samples (Schulman 2020, "Approximating KL divergence").

For a token drawn from p, with l = log q(token) - log p(token), the mean of each over p estimates KL(p || q):

    k1 = -l                unbiased, may be negative, high variance
    k2 = l^2 / 2           biased, never negative
    k3 = exp(l) - 1 - l    unbiased, never negative

All take log-probabilities of any one shape and return that shape, in nats.
"""

import torch
from torch import Tensor

from forage.ops.masked import require_shape


def k1(logprob: Tensor, reference: Tensor) -> Tensor:
    """log p - log q, with p the distribution that sampled (`logprob`) and q the other one (`reference`)."""
    require_shape(tuple(logprob.shape), reference=reference)
    return logprob - reference


def k2(logprob: Tensor, reference: Tensor) -> Tensor:
    """Half the squared log-ratio: never negative."""
    return k1(logprob, reference).square() / 2


def k3(logprob: Tensor, reference: Tensor) -> Tensor:
    """q/p - 1 - log(q/p): unbiased and never negative."""
    difference = -k1(logprob, reference)
    return torch.expm1(difference) - difference

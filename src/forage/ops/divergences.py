"""Estimators of the Kullback-Leibler divergence from single samples (Schulman 2020, "Approximating KL divergence").

For a token drawn from p, with l = log q(token) - log p(token), the mean of each over p estimates KL(p || q):

    k1 = -l                unbiased, may be negative, high variance
    k2 = l^2 / 2           biased, never negative
    k3 = exp(l) - 1 - l    unbiased, never negative

All take log-probabilities of any one shape and return that shape, in nats.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape

KLEstimator = Literal["k1", "k2", "k3"]


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


def kl_estimate(logprob: Tensor, reference: Tensor, *, estimator: KLEstimator = "k3") -> Tensor:
    """The divergence from a reference, estimated from sampled tokens (Schulman 2020, "Approximating KL divergence").

        with l = log q - log p:   "k1": -l     "k2": l^2 / 2     "k3": exp(l) - 1 - l

    k1 and k3 are unbiased, k2 and k3 never negative. As a loss over tokens that p itself sampled, k2 has in expectation
    the gradient of KL(p || q), k3 (GRPO, arXiv 2402.03300, equation 4) that of KL(q || p), and k1 none.

    Args:
        logprob: float of any shape, log p of tokens drawn from p.
        reference: the same shape, log q of the same tokens.
        estimator: "k1", "k2" or "k3".

    Returns:
        A tensor of that shape, in nats.

    Raises:
        ForageError: an unknown estimator.
        ValueError: the shapes differ.

    Example:
        >>> kl_estimate(torch.tensor([-1.0, -1.0]), torch.tensor([-2.0, -1.0]), estimator="k2")
        tensor([0.5000, 0.0000])
    """
    check_estimator(estimator)
    return {"k1": k1, "k2": k2, "k3": k3}[estimator](logprob, reference)


def check_estimator(estimator: str) -> None:
    """Raises ForageError for the name of an estimator that there is not."""
    if estimator not in get_args(KLEstimator):
        known = ", ".join(get_args(KLEstimator))
        raise ForageError(f"There is no KL estimator {estimator!r}; there are {known}.")

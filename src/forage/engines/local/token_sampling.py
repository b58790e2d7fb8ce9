"""One draw per row from the model's distribution, with what must be recorded about it.

Random numbers are a function of (seed, sibling, position) alone, so what a row draws depends neither on its neighbors
nor on the order of work. A token is found by inverting the cumulative distribution: one uniform number per token,
several times faster than `torch.multinomial`.

Axes: n rows, V vocabulary.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.records import SamplingParams

_GAMMA = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection of 64-bit words that looks random."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def stream_keys(seed: int, group_size: int) -> NDArray[np.uint64]:
    """(siblings,) uint64: one stream of random numbers for each sibling of a request. Any integer is a seed."""
    root = _mixed(np.array([(seed + _GAMMA) & _WORD, (seed >> 64) & _WORD], dtype=np.uint64))
    base = root[:1] ^ _mixed(root[1:] + np.uint64(_GAMMA))
    numbers = np.arange(1, group_size + 1, dtype=np.uint64)
    return _mixed(base + numbers * np.uint64(_GAMMA))


def uniforms(keys: NDArray[np.uint64], positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """keys (n,), positions (n,) counted from 0 -> (n,) float64 in [0, 1): the random number of each position."""
    word = _mixed(keys + (positions.astype(np.uint64) + np.uint64(1)) * np.uint64(_GAMMA))
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Draw:
    """tokens (n,) int64; logprob (n,) and entropy (n,) float32, as `Completion` defines them."""

    tokens: Tensor
    logprob: Tensor
    entropy: Tensor


def draw(logits: Tensor, uniform: Tensor, params: SamplingParams) -> Draw:
    """Draws one token per row: logits (n, V) float32, uniform (n,) float64 in [0, 1).

    top_k keeps the k most probable tokens (and all that tie with the last of them); then top_p keeps the smallest set
    of most probable tokens that holds at least that share of what is left. Temperature 0 is greedy: the most probable
    token, recorded with the log-probability and entropy of the untempered distribution, because the distribution that
    was sampled has the log-probability 0 and the entropy 0 everywhere and tells nothing.

    Raises ForageError when a logit is NaN or infinite.
    """
    greedy = params.temperature == 0
    centered = logits - logits.amax(dim=1, keepdim=True)
    if not greedy and params.temperature != 1:
        centered /= params.temperature
    weights = centered.exp()
    cumulative = weights.cumsum(dim=1, dtype=torch.float64)
    total = cumulative[:, -1]
    mean = torch.linalg.vecdot(weights, centered).double() / total
    entropy = (total.log() - mean).clamp_min_(0)
    if not bool(torch.isfinite(entropy).all()):
        raise ForageError(
            "The model's logits hold NaN or infinite values, so nothing can be sampled: the weights are damaged or "
            "the number format is too narrow. Use an earlier checkpoint, a lower learning rate, or float32."
        )
    if greedy:
        tokens = logits.argmax(dim=1)
    else:
        if params.top_k or params.top_p < 1:
            cumulative = _truncated(weights, params).cumsum(dim=1, dtype=torch.float64)
            total = cumulative[:, -1]
        # A product that rounds up to the total would point behind the last token.
        target = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
        tokens = torch.searchsorted(cumulative, target[:, None], right=True).squeeze(1)
    logprob = centered.gather(1, tokens[:, None]).squeeze(1).double() - total.log()
    return Draw(tokens, logprob.float(), entropy.float())


def _truncated(weights: Tensor, params: SamplingParams) -> Tensor:
    """(n, V) unnormalized probabilities with the tokens outside top_k and top_p set to 0."""
    if 0 < params.top_k < weights.shape[1]:
        least = weights.topk(params.top_k, dim=1).values[:, -1:]
        weights = weights.masked_fill(weights < least, 0)
    if params.top_p < 1:
        ordered, order = weights.sort(dim=1, descending=True, stable=True)
        cumulative = ordered.cumsum(dim=1, dtype=torch.float64)
        before = cumulative - ordered
        ordered = ordered.masked_fill(before >= params.top_p * cumulative[:, -1:], 0)
        weights = torch.zeros_like(weights).scatter_(1, order, ordered)
    return weights

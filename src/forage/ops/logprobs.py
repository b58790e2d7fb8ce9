"""Log-probabilities and entropies of tokens, without ever holding all the logits.

The one place where the vocabulary axis exists in the learner. Axes: N tokens, d hidden, V vocabulary, C a chunk.
"""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def token_logprobs_and_entropy(
    hidden: Tensor,
    weight: Tensor,
    tokens: Tensor,
    *,
    temperature: float = 1.0,
    chunk: int = 1024,
    bias: Tensor | None = None,
    softcap: float | None = None,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of tokens, without ever holding all the logits (arXiv 2506.14758, equation 4).

        logits = scale (hidden @ weight.T + bias), softcap tanh(logits / softcap) where given, over the temperature
        logprob = log p[token],  entropy = -sum_v p_v log p_v,  p = softmax(logits)

    Computed in float32 whatever the inputs are, `chunk` tokens at a time, and computed again in the backward pass where
    there is more than one chunk: no tensor with both a token and a vocabulary axis is larger than (chunk, V).

    Args:
        hidden: (N, d) float, the last hidden states.
        weight: (V, d) float, the vocabulary head.
        tokens: (N,) int64, the sampled tokens.
        temperature: above 0.
        chunk: 1 or more.
        bias: (V,) float, or None.
        softcap: the soft cap of the logits, or None.
        scale: a factor of the logits.

    Returns:
        logprob: (N,) float32 (float64 where `hidden` is), differentiable once by hidden, weight and bias.
        entropy: (N,) of the same dtype, in nats, in [0, ln V], differentiable in the same way.

    Raises:
        ForageError: the temperature or the chunk is not positive.
        ValueError: the shapes do not fit.

    Example:
        >>> hidden, weight = torch.zeros(2, 3), torch.ones(4, 3)
        >>> logprob, entropy = token_logprobs_and_entropy(hidden, weight, torch.tensor([0, 3]))
        >>> logprob.exp(), entropy.exp().round(decimals=4)
        (tensor([0.2500, 0.2500]), tensor([4., 4.]))
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise ForageError(f"The temperature must be above 0 where log-probabilities are wanted, not {temperature}.")
    if chunk < 1:
        raise ForageError(f"A chunk holds at least one token, not {chunk}.")
    require_shape((len(tokens),), tokens=tokens)
    require_shape((len(tokens), weight.shape[1]), hidden=hidden)
    if bias is not None:
        require_shape((weight.shape[0],), bias=bias)
    head = _Head(temperature, chunk, softcap, scale)
    return cast(tuple[Tensor, Tensor], _LogprobsAndEntropy.apply(hidden, weight, bias, tokens, head))


@dataclass(frozen=True, slots=True)
class _Head:
    temperature: float
    chunk: int
    softcap: float | None
    scale: float

    def logits(self, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(C, V): a new tensor, so callers may work in place."""
        logits = hidden @ weight.T
        if bias is not None:
            logits += bias
        if self.scale != 1:
            logits *= self.scale
        if self.softcap is not None:
            logits = logits.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits.div_(self.temperature) if self.temperature != 1 else logits

    def backward_(self, grad: Tensor, slope: Tensor | None) -> Tensor:
        """Turns the gradient of the logits (C, V), in place, into that of hidden @ weight.T + bias."""
        if slope is not None:
            grad *= slope
        factor = self.scale / self.temperature
        return grad.mul_(factor) if factor != 1 else grad

    def slope(self, logits: Tensor) -> Tensor | None:
        """The derivative of the soft cap, from its result: 1 - tanh^2."""
        if self.softcap is None:
            return None
        return 1 - (logits * (self.temperature / self.softcap)).square_()


class _LogprobsAndEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, tokens: Tensor, head: _Head
    ) -> tuple[Tensor, Tensor]:
        dtype = _dtype(hidden)
        wide, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
        logprob = torch.empty(len(tokens), dtype=dtype, device=hidden.device)
        entropy = torch.empty_like(logprob)
        kept = None
        for part in _parts(len(tokens), head.chunk):
            logp = _log_softmax_(head.logits(hidden[part].to(dtype), wide, offset))
            logprob[part] = logp.gather(1, tokens[part, None]).squeeze(1)
            entropy[part] = logp.exp().mul_(logp).sum(1).neg_().clamp_min_(0)
            # A single chunk is within the promised memory, so it may wait for the backward pass.
            kept = logp if len(tokens) <= head.chunk and head.softcap is None else None
        ctx.save_for_backward(hidden, weight, bias, tokens, entropy, kept)
        ctx.head = head
        return logprob, entropy

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_logprob: Tensor, grad_entropy: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        hidden, weight, bias, tokens, entropy, kept = ctx.saved_tensors
        head, dtype = cast(_Head, ctx.head), _dtype(hidden)
        wide, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        d_hidden = torch.empty(hidden.shape, dtype=dtype, device=hidden.device) if wants_hidden else None
        d_weight = torch.zeros_like(wide) if wants_weight else None
        d_bias = torch.zeros_like(offset) if wants_bias and offset is not None else None
        for part in _parts(len(tokens), head.chunk):
            rows = hidden[part].to(dtype)
            slope = None
            if kept is None:
                logits = head.logits(rows, wide, offset)
                slope = head.slope(logits)
                logp = _log_softmax_(logits)
            else:
                logp = kept
            # d logprob / d z_v = [v = token] - p_v;  d entropy / d z_v = -p_v (log p_v + entropy)
            grad = logp.exp()
            grad *= (logp + entropy[part, None]).mul_(-grad_entropy[part, None]).sub_(grad_logprob[part, None])
            grad.scatter_add_(1, tokens[part, None], grad_logprob[part, None])
            grad = head.backward_(grad, slope)
            if d_hidden is not None:
                torch.mm(grad, wide, out=d_hidden[part])
            if d_weight is not None:
                d_weight.addmm_(grad.T, rows)
            if d_bias is not None:
                d_bias += grad.sum(0)
        return _like(d_hidden, hidden), _like(d_weight, weight), _like(d_bias, bias), None, None


def _log_softmax_(logits: Tensor) -> Tensor:
    """In place, over the last axis. A logit of -inf gets the lowest finite number, so that p log p is 0 there."""
    logits -= logits.logsumexp(1, keepdim=True)
    return logits.clamp_min_(torch.finfo(logits.dtype).min)


def _parts(length: int, chunk: int) -> list[slice]:
    return [slice(begin, min(begin + chunk, length)) for begin in range(0, length, chunk)]


def _dtype(hidden: Tensor) -> torch.dtype:
    return torch.float64 if hidden.dtype == torch.float64 else torch.float32


def _like(grad: Tensor | None, tensor: Tensor | None) -> Tensor | None:
    return None if grad is None or tensor is None else grad.to(tensor.dtype)

"""One attention function for training, prefill and decoding, registered with transformers under the name "forage".

It is written as batched matrix products because on CPUs the fast float32 kernels slow the fused attention down by an
order of magnitude. Queries that share a key-value head are folded into the rows of one product, so keys and values are
never repeated.

Axes: B sequences, T queries, S keys, H query heads, K key-value heads, G = H / K queries per key-value head,
D width of a head.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface

from forage.core.errors import ForageError

NAME = "forage"
"""What `config._attn_implementation` says when a module uses this attention."""

QUERY_BLOCK = 512
"""Longer sequences attend in blocks of this many queries, recomputed in the backward pass: memory grows as S."""

UNSUPPORTED = ("s_aux", "position_bias", "indexer_mask")
"""Things that some architectures pass to their attention and that change its result; they are refused, not ignored."""


def register() -> str:
    """Makes the attention known to transformers (again and again is harmless) and returns its name.

    No mask function is registered beside it, so the modules build no masks and hand on `None`, or the 4-dimensional
    mask that the caller gives.
    """
    AttentionInterface.register(NAME, attend)
    return NAME


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Causal attention as transformers calls it: query (B, H, T, D), key and value (B, K, S, D) -> (B, T, H, D).

    The queries are the last T of the S positions, all rows without padding on the left. `attention_mask`, only for
    T = 1, is an additive (B, 1, 1, S) mask of the keys that a row holds, when rows differ in length. A key is visible
    when it is less than `sliding_window` positions behind its query. `softcap` c replaces a score s by c·tanh(s / c).

    Raises ForageError for an architecture whose attention needs more than this.
    """
    for name in UNSUPPORTED:
        if others.get(name) is not None:
            raise ForageError(f"{type(module).__name__} uses {name}, which the local engine's attention does not know.")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    queries, keys = query.shape[2], key.shape[2]
    narrow = sliding_window is not None and keys > sliding_window
    if queries == 1:
        if narrow:
            key, value, attention_mask = _last_window(key, value, attention_mask, sliding_window or 0)
        return _product(query, key, value, attention_mask, scale, softcap, dropout), None
    if attention_mask is not None:
        raise ForageError("The local engine's attention takes a mask only when it decodes one token at a time.")
    if query.is_cuda and queries == keys and not narrow and softcap is None:
        fused = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=dropout,
            is_causal=True,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return fused.transpose(1, 2), None
    return _causal(query, key, value, scale, sliding_window, softcap, dropout), None


def _causal(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float,
    window: int | None,
    softcap: float | None,
    dropout: float,
) -> Tensor:
    """Blocks of queries, each against the keys that it can see."""
    queries, keys = query.shape[2], key.shape[2]
    offset = keys - queries
    parts: list[Tensor] = []
    for first in range(0, queries, QUERY_BLOCK):
        last = min(first + QUERY_BLOCK, queries)
        low = 0 if window is None else max(0, offset + first - window + 1)
        high = offset + last
        position = torch.arange(offset + first, high, device=query.device)[:, None]
        index = torch.arange(low, high, device=query.device)
        hidden = index > position
        if window is not None:
            hidden |= index <= position - window
        bias = torch.zeros(hidden.shape, dtype=query.dtype, device=query.device).masked_fill_(hidden, -torch.inf)
        block = (query[:, :, first:last], key[:, :, low:high], value[:, :, low:high], bias, scaling, softcap, dropout)
        if queries > QUERY_BLOCK and torch.is_grad_enabled():
            parts.append(checkpoint(_product, *block, use_reentrant=False))
        else:
            parts.append(_product(*block))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _product(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    scaling: float,
    softcap: float | None,
    dropout: float,
) -> Tensor:
    """query (B, H, T, D), key and value (B, K, S, D), bias broadcast to (B, 1, T, S) -> (B, T, H, D)."""
    rows, heads, queries, width = query.shape
    shared, keys = key.shape[1], key.shape[2]
    folded = (query * scaling).reshape(rows * shared, -1, width)
    # The row cache stores keys with S innermost; transposing here gives a view of it that the product takes as it is.
    scores = torch.bmm(folded, key.transpose(2, 3).reshape(rows * shared, width, keys))
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if bias is not None:
        grouped = scores.view(rows, heads, queries, keys)
        grouped.add_(bias)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32)
    if weights.dtype != query.dtype:
        weights = weights.to(query.dtype)
    if dropout:
        weights = functional.dropout(weights, dropout)
    mixed = torch.bmm(weights, value.reshape(rows * shared, keys, -1))
    return mixed.view(rows, heads, queries, -1).transpose(1, 2)


def _last_window(key: Tensor, value: Tensor, mask: Tensor | None, window: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """One query per row: drops the keys that have left the window."""
    if mask is None:
        return key[:, :, -window:], value[:, :, -window:], None
    held = (mask == 0).sum(dim=-1, keepdim=True)
    index = torch.arange(key.shape[2], device=key.device)
    return key, value, mask.masked_fill(index < held - window, -torch.inf)

"""One attention function for training, prefill and decoding, registered with transformers under the name "forage".

It is written as batched matrix products because on CPUs the fast float32 kernels slow the fused attention down by an
order of magnitude. Queries that share a key-value head are folded into the rows of one product, so keys and values are
never repeated.

Axes: B sequences, T queries, S keys, H query heads, K key-value heads, G = H / K queries per key-value head,
D width of a head.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface

from forage.core.errors import ForageError
from forage.engines.local.packing import PackedSection, Packing

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
    packing: Packing | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Causal attention as transformers calls it: query (B, H, T, D), key and value (B, K, S, D) -> (B, T, H, D).

    The queries are the last T of the S positions, all rows without padding on the left. `attention_mask`, only for
    T = 1, is an additive (B, 1, 1, S) mask of the keys that a row holds, when rows differ in length. A key is visible
    when it is less than `sliding_window` positions behind its query. `softcap` c replaces a score s by c·tanh(s / c).
    With `packing`, B is 1 and T = S: a response sees its start and itself.

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
    how = (scale, sliding_window, softcap, dropout)
    if packing is None:
        return _causal(query, key, value, *how), None
    parts = [part for section in packing.sections for part in _section(section, query, key, value, how)]
    return torch.cat(parts, dim=1), None


How = tuple[float, int | None, float | None, float]
"""Scaling, sliding window, soft cap, dropout."""


def _section(section: PackedSection, query: Tensor, key: Tensor, value: Tensor, how: How) -> Iterator[Tensor]:
    """What starts attend to, (1, tokens, H, D), and then what their responses do, which are rows of their own."""
    before, own = slice(section.first, section.responses), slice(section.responses, section.end)
    first, *starts = (_as_starts(part[0, :, before], section) for part in (query, key, value))
    yield _causal(first, starts[0], starts[1], *how).flatten(0, 1)[None]
    if section.responses == section.end:
        return
    if section.owner is None:
        shared = [part.expand(section.rows, -1, -1, -1) for part in starts]
    else:
        shared = [part.index_select(0, section.owner) for part in starts]
    queries, *theirs = (_as_rows(part[0, :, own], section) for part in (query, key, value))
    keys, values = (torch.cat(both, dim=2) for both in zip(shared, theirs, strict=True))
    mixed = _causal(queries, keys, values, *how).flatten(0, 1)
    yield (mixed if section.place is None else _Collect.apply(mixed, section.place))[None]


def _as_starts(line: Tensor, section: PackedSection) -> Tensor:
    """line (heads, tokens, D): starts one after another -> (starts, heads, tokens of one, D)."""
    return line.unflatten(1, (section.starts, -1)).transpose(0, 1)


def _as_rows(line: Tensor, section: PackedSection) -> Tensor:
    """line (heads, tokens, D): responses one after another -> (rows, heads, width, D), filled up with zeros."""
    tokens = line.transpose(0, 1)
    if section.place is not None:
        tokens = _Spread.apply(tokens, section.place, section.rows * section.width)
    return tokens.unflatten(0, (section.rows, section.width)).transpose(1, 2)


class _Spread(torch.autograd.Function):
    """tokens (n, ...) to the places (n,) of `size` ones. Both ways are copies, not the sums of an ordinary gather."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, place: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(place)
        return tokens.new_zeros(size, *tokens.shape[1:]).index_copy_(0, place, tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (place,) = ctx.saved_tensors
        return gradient.index_select(0, place), None, None


class _Collect(torch.autograd.Function):
    """The opposite of `_Spread`: (size, ...) -> (n, ...)."""

    @staticmethod
    def forward(ctx: Any, spread: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(place)
        ctx.size = len(spread)
        return spread.index_select(0, place)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (place,) = ctx.saved_tensors
        blank = gradient.new_zeros(ctx.size, *gradient.shape[1:])
        return blank.index_copy_(0, place, gradient), None


def _causal(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float,
    window: int | None,
    softcap: float | None,
    dropout: float,
) -> Tensor:
    """The queries are the last of the keys' positions. -> (B, T, H, D)"""
    queries, keys = query.shape[2], key.shape[2]
    narrow = window is not None and keys > window
    if query.is_cuda and queries == keys and not narrow and softcap is None:
        fused = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=dropout,
            is_causal=True,
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return fused.transpose(1, 2)
    return _blocks(query, key, value, scaling, window, softcap, dropout)


def _blocks(
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

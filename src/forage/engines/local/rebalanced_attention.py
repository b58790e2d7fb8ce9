"""An attention with edited weights, beside the registered one: an extra for trying a model without training it.

"Attention-Driven Reasoning" (arXiv 2403.14932): what the first layer attends to gets more weight in the layers above.

Axes: B sequences, T queries, S keys, H query heads, K key-value heads, D width of a head.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from forage.core.errors import ForageError
from forage.engines.local import attention
from forage.engines.local.model import LocalModel
from forage.ops.attention_weights import heavy_keys, rebalanced_weights

NAME = "forage_rebalanced"
STATE = "rebalancing"
"""The attribute of attention modules that holds what their model's layers share."""


@dataclass(slots=True)
class Rebalancing:
    """The settings, and what the first layer of the pass under way attends to."""

    alpha: float
    floor: float
    layers: int
    heavy: Tensor | None = None


def rebalance(model: LocalModel, *, alpha: float = 0.2, floor: float = 0.01) -> None:
    """From now on the model computes with edited attention, wherever it is used; alpha 0 puts the ordinary one back.

    Fused kernels, packed starts and windows of attention are not served: open the engine with `share_starts=False`
    where the model is to learn. Raises ForageError for settings that are no numbers in range.
    """
    if not math.isfinite(alpha) or not floor >= 0:
        raise ForageError(f"alpha is a finite number and floor is 0 or more, not {alpha} and {floor}.")
    if alpha == 0:
        model.module.set_attn_implementation(attention.register())
        return
    AttentionInterface.register(NAME, attend)
    shared = Rebalancing(alpha, floor, model.config.num_hidden_layers)
    for part in model.module.modules():
        if isinstance(getattr(part, "layer_idx", None), int):
            setattr(part, STATE, shared)
    model.module.set_attn_implementation(NAME)


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
    packing: object | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """As `attention.attend`, with all weights at once: query (B, H, T, D), key and value (B, K, S, D) -> (B, T, H, D).

    Raises ForageError for what is not served.
    """
    refused = packing is not None or (sliding_window is not None and key.shape[2] > sliding_window)
    if refused or any(others.get(name) is not None for name in attention.UNSUPPORTED):
        raise ForageError(
            "Edited attention serves neither packed starts nor attention windows: open the engine with "
            "share_starts=False, and take a model without windows."
        )
    shared: Rebalancing = getattr(module, STATE)
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    hidden, own = _sight(query, key, attention_mask)
    weights = scores.masked_fill(hidden, -torch.inf).softmax(-1, dtype=torch.float32).to(query.dtype)
    layer = module.layer_idx
    assert isinstance(layer, int)
    if layer == 0:
        shared.heavy = heavy_keys(weights, own, floor=shared.floor)
    assert shared.heavy is not None
    weights = rebalanced_weights(weights, shared.heavy, layer=layer, layers=shared.layers, alpha=shared.alpha)
    return (nn.functional.dropout(weights, dropout) @ value).transpose(1, 2), None


def _sight(query: Tensor, key: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Which keys a query does not see, (B, 1, T, S) or (1, 1, T, S) bool, and which is its own, (B, T) int64.

    The queries are the last of the positions; with a mask (one query) each row holds its first keys.
    """
    rows, queries, keys = len(query), query.shape[2], key.shape[2]
    if attention_mask is not None:
        held = attention_mask == 0
        return ~held, held.sum(-1).view(rows, 1) - 1
    own = torch.arange(keys - queries, keys, device=query.device)
    return (torch.arange(keys, device=query.device) > own[:, None])[None, None], own.expand(rows, queries)

"""Key-value caches that unmodified Hugging Face decoders write into.

`StartCache` keeps what one pass over some starts computed. `RowCache` holds the rows that are being sampled: a start's
keys and values are copied to each of its siblings, rows of different lengths lie beside each other from position 0, and
live rows always are rows 0 ... n - 1, so what attention reads is a view.

Axes: R rows allocated, n rows live, M rows that enter, K key-value heads, S positions allocated, D width of a head.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

POSITIONS = 256
"""A cache begins with this many positions per row (fewer where no row can get so long) and grows by doubling."""


class _Layer(CacheLayerMixin):
    """What transformers asks of a layer. Masks and positions are given explicitly, so the lengths are never used."""

    keys: Tensor  # pyright: ignore[reportIncompatibleVariableOverride]
    values: Tensor  # pyright: ignore[reportIncompatibleVariableOverride]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.is_initialized = True

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        return self.keys.shape[2] if self.is_initialized else 0

    def get_max_length(self) -> int:
        return -1


class _StartLayer(_Layer):
    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        self.keys, self.values = key_states, value_states
        self.is_initialized = True
        return key_states, value_states


class StartCache(Cache):
    """Keys and values, (P, K, S, D) per layer, of P starts that were read in one right-padded pass."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers=[_StartLayer() for _ in range(layers)])


class _RowLayer(_Layer):
    """keys (R, K, D, S): S is innermost because the product with the queries then takes a slice of it without a copy.

    values (R, K, S, D), for the same reason in the second product.
    """

    live: int = 0
    width: int = 0
    column: Tensor | int = 0

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """key_states (n, K, 1, D): writes them at each row's position; returns (n, K, width, D) views."""
        keys, values, live = self.keys, self.values, self.live
        if isinstance(self.column, int):
            keys[:live, :, :, self.column] = key_states[:, :, 0]
            values[:live, :, self.column] = value_states[:, :, 0]
        else:
            row = torch.arange(live, device=keys.device)
            keys[row, :, :, self.column] = key_states[:, :, 0]
            values[row, :, self.column] = value_states[:, :, 0]
        return keys[:live, :, :, : self.width].transpose(2, 3), values[:live, :, : self.width]

    def adopt(self, start: CacheLayerMixin) -> None:
        """Takes shapes, number format and device from a layer that has read starts."""
        if not self.is_initialized:
            if start.keys is None or start.values is None:
                raise TypeError("a layer keeps no keys and values")
            self.keys = start.keys.new_zeros(0, start.keys.shape[1], start.keys.shape[3], 0)
            self.values = start.values.new_zeros(0, start.values.shape[1], 0, start.values.shape[3])
            self.is_initialized = True

    def reserve(self, rows: int, positions: int, limit: int) -> None:
        """Room for `rows` rows of at least `positions` positions, `limit` at most; what is held stays.

        Never uninitialized memory: attention multiplies positions that a row does not hold by zero.
        """
        held = self.keys.shape[3]
        if positions > held:
            positions = min(max(positions, 2 * held, POSITIONS), limit)
            keys = self.keys.new_zeros(rows, *self.keys.shape[1:3], positions)
            values = self.values.new_zeros(rows, self.values.shape[1], positions, self.values.shape[3])
            if held:
                keys[..., :held] = self.keys
                values[:, :, :held] = self.values
            self.keys, self.values = keys, values


class RowCache(Cache):
    """The rows that are being sampled. `limit` is the longest a row can get."""

    layers: list[_RowLayer]  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, layers: int, rows: int, limit: int) -> None:
        super().__init__(layers=[_RowLayer() for _ in range(layers)])
        self.rows = rows
        self.limit = limit

    def enter(self, starts: StartCache, index: Tensor, live: int, positions: int) -> None:
        """Copies the first `positions` positions of the starts at `index` (M,) into rows live ... live + M - 1."""
        end = live + len(index)
        for layer, start in zip(self.layers, starts.layers, strict=True):
            assert isinstance(start, _StartLayer)
            layer.adopt(start)
            layer.reserve(self.rows, positions, self.limit)
            layer.keys[live:end, :, :, :positions] = start.keys[index, :, :positions].transpose(2, 3)
            layer.values[live:end, :, :positions] = start.values[index, :, :positions]

    def move(self, source: Tensor, target: Tensor, positions: int) -> None:
        """Copies rows `source` (M,) over rows `target` (M,), up to `positions`."""
        for layer in self.layers:
            layer.keys[target, :, :, :positions] = layer.keys[source, :, :, :positions]
            layer.values[target, :, :positions] = layer.values[source, :, :positions]

    def place(self, live: int, column: Tensor | int, width: int) -> None:
        """Says where the next token of each of the first `live` rows is written, and how many positions are read.

        column: (n,) int64, or one number when all rows are equally long.
        """
        self.reserve(width)
        for layer in self.layers:
            layer.live, layer.column, layer.width = live, column, width

    def reserve(self, positions: int) -> None:
        """Room for at least so many positions in every row."""
        for layer in self.layers:
            layer.reserve(self.rows, positions, self.limit)

    @property
    def positions(self) -> int:
        """How many positions each row has room for. Keys and values have moved whenever it has changed."""
        return self.layers[0].keys.shape[3]

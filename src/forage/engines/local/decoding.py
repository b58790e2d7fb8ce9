"""One token for every live row, and the same pass as a CUDA graph.

Launched kernel by kernel, a pass over a small model keeps a GPU waiting for the processor. A graph is launched as a
whole. It computes what it computed when it was captured, over the same memory, so `GraphedPass` rounds the number of
rows and of positions up and keeps one graph for each such shape.

Axes: n live rows, R rows of the cache, S positions, d width.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from forage.engines.local.cache import RowCache
from forage.engines.local.model import LocalModel

POSITIONS = 64
"""A graph reads a multiple of so many positions. More: fewer graphs to capture, more masked positions to read."""

Work = Callable[[], Tensor]
Capture = Callable[[Work], Work]


class DecodingPass(Protocol):
    """`decode` over a model and a cache."""

    def __call__(self, tokens: Tensor, positions: Tensor, width: int, *, level: bool) -> Tensor: ...


def decode(
    model: LocalModel,
    cache: RowCache,
    tokens: Tensor,
    positions: Tensor,
    width: int,
    *,
    level: bool,
    embeds: Tensor | None = None,
) -> Tensor:
    """tokens, positions (n,) int64: the last token of each of the first n rows, and where it stands -> hidden (n, d).

    `width` is how many positions are read. `level` says that every row ends at the last of them: no mask is needed.
    `embeds` (n, d), where given, are read in the place of the tokens' embeddings.
    """
    if level:
        mask = None
        cache.place(len(tokens), width - 1, width)
    else:
        index = torch.arange(width, device=tokens.device)
        mask = torch.zeros(len(tokens), 1, 1, width, dtype=model.module.dtype, device=tokens.device)
        mask.masked_fill_((index > positions[:, None])[:, None, None], -torch.inf)
        cache.place(len(tokens), positions, width)
    hidden = model.decoder(
        tokens[:, None],
        embeds=None if embeds is None else embeds[:, None],
        position_ids=positions[:, None],
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
    )
    return hidden[:, 0]


def cuda_graphs() -> Capture:
    """Captures what it is given, which must have run before, and returns what repeats it.

    The repetition overwrites its result, and so does that of anything else captured here: they share their memory.
    Raises RuntimeError for work that waits for the GPU, as some position encodings do.
    """
    pool, side = torch.cuda.graph_pool_handle(), torch.cuda.Stream()

    def capture(work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            # Not the context manager of the same purpose: it empties the allocator's cache, at every capture.
            graph.capture_begin(pool, capture_error_mode="thread_local")
            try:
                result = work()
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(side)

        def repeat() -> Tensor:
            graph.replay()
            return result

        return repeat

    return capture


class GraphedPass:
    """`decode` in graphs. The first pass of a shape runs as it is, the second is captured, all from there are replayed.

    Rows between the live ones and the rounded number compute too; what they write is overwritten before it is read.
    A model that cannot be captured decodes as without graphs, after one warning.
    """

    def __init__(self, model: LocalModel, cache: RowCache, capture: Capture) -> None:
        self._model = model
        self._cache = cache
        self._capture = capture
        self._tokens = torch.zeros(cache.rows, dtype=torch.int64, device=model.device)
        self._positions = torch.zeros_like(self._tokens)
        self._graphs: dict[tuple[int, int], Work | None] = {}
        self._held = 0
        self._possible = True

    def __call__(self, tokens: Tensor, positions: Tensor, width: int, *, level: bool) -> Tensor:
        """As `decode`. The result is overwritten by the next call."""
        live = len(tokens)
        self._tokens[:live], self._positions[:live] = tokens, positions
        rows = self._rounded_rows(live)
        width = min(-(-width // POSITIONS) * POSITIONS, self._cache.limit)
        self._cache.reserve(width)
        if self._cache.positions != self._held:  # graphs of before read memory that is no longer the cache's
            self._graphs.clear()
            self._held = self._cache.positions

        def work() -> Tensor:
            row = slice(rows)
            return decode(self._model, self._cache, self._tokens[row], self._positions[row], width, level=False)

        if (rows, width) not in self._graphs:
            self._graphs[rows, width] = None
            return work()[:live]
        again = self._graphs[rows, width]
        if again is None:
            again = self._graphs[rows, width] = self._captured(work)
        return again()[:live]

    def _rounded_rows(self, live: int) -> int:
        """All rows of the cache, or half, a quarter, ... of them."""
        rows = self._cache.rows
        while live <= rows // 2:
            rows //= 2
        return rows

    def _captured(self, work: Work) -> Work:
        if not self._possible:
            return work
        try:
            return self._capture(work)
        except RuntimeError as error:
            self._possible = False
            name, reason = type(self._model.module).__name__, str(error).splitlines()[0]
            warnings.warn(f"{name} decodes without CUDA graphs, which is slower: {reason}", stacklevel=2)
            return work


def decoding_pass(model: LocalModel, cache: RowCache) -> DecodingPass:
    """`decode` over this cache, kernel by kernel."""
    return partial(decode, model, cache)


def graphed_pass(model: LocalModel, cache: RowCache) -> DecodingPass:
    """`decode` over this cache in CUDA graphs."""
    return GraphedPass(model, cache, cuda_graphs())

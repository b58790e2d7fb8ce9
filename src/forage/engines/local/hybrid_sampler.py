"""Sampling by a policy that reads blends of what it wrote and what it expected (HRPO, arXiv 2505.18454).

The tokens are drawn as by `LocalSampler`, with the same random numbers. What a place is read as depends on the tokens
before it and on the weights alone, so an update can find it again (`Reader`).

Axes: n live rows, B sequences, T tokens, V vocabulary, d width of an embedding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.engines.local.cache import RowCache, StartCache
from forage.engines.local.codec import LocalCodec
from forage.engines.local.decoding import decode
from forage.engines.local.latent_gates import Expectations, LatentGates, Thinking, embedded
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LOGITS_PER_CHUNK, PREFILL_TOKENS
from forage.engines.local.token_sampling import draw, stream_keys, uniforms
from forage.engines.requests import check_requests, limit_of


class GrowingRows:
    """Rows that grow by a token at a time; `hidden` (n, d) scores the next one of each, `lengths` (n,) are theirs."""

    def __init__(self, model: LocalModel, gates: LatentGates, starts: Sequence[tuple[int, ...]], limit: int) -> None:
        self._model, self._gates = model, gates
        layers, device = model.config.num_hidden_layers, model.device
        self._cache = RowCache(layers, len(starts), limit)
        self.lengths = torch.tensor([len(start) for start in starts], device=device)
        # Rows enter in the order of their starts, so that siblings read theirs once.
        parts, row = [], 0
        while row < len(starts):
            width = max(len(start) for start in starts[row : row + PREFILL_TOKENS])
            block = starts[row : row + max(1, PREFILL_TOKENS // width)]
            parts.append(self._enter(block, row))
            row += len(block)
        self.hidden = torch.cat(parts)

    def _enter(self, starts: Sequence[tuple[int, ...]], first: int) -> Tensor:
        """Reads the distinct starts in one right-padded pass; the hidden states (rows, d) at their ends."""
        device, place = self._model.device, {start: number for number, start in enumerate(dict.fromkeys(starts))}
        width = max(map(len, place))
        tokens = torch.tensor([[*start, *[0] * (width - len(start))] for start in place], device=device)
        read = StartCache(self._model.config.num_hidden_layers)
        hidden = self._model.decoder(tokens, past_key_values=read, use_cache=True)
        index = torch.tensor([place[start] for start in starts], device=device)
        self._cache.enter(read, index, first, width)
        return hidden[index, self.lengths[first : first + len(starts)] - 1]

    def keep(self, index: Tensor) -> None:
        """Only the rows at `index`, in increasing order, go on."""
        target = torch.arange(len(index), device=index.device)
        self._cache.move(index, target, int(self.lengths[index].max()))
        self.lengths, self.hidden = self.lengths[index], self.hidden[index]

    def advance(self, tokens: Tensor, expected: Tensor, thinking: Tensor) -> None:
        """tokens (n,) int64 are appended, and read as blends with `expected` (n, d) where `thinking` (n,) bool."""
        plain = embedded(self._model, tokens)
        inputs = torch.where(thinking[:, None], self._gates(plain, expected), plain)
        width = int(self.lengths.max()) + 1
        level = int(self.lengths.min()) + 1 == width
        self.hidden = decode(self._model, self._cache, tokens, self.lengths, width, level=level, embeds=inputs)
        self.lengths = self.lengths + 1


@dataclass(slots=True)
class _Line:
    """A completion on its way."""

    request: int
    sibling: int
    stream: np.uint64
    limit: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    thinking: bool = True
    said_stop: bool = False

    @property
    def finished(self) -> bool:
        return self.said_stop or len(self.tokens) == self.limit


class HybridSampler:
    """A `Sampler` as `LocalSampler`: `rows` completions grow together, and the next begin when all of them have ended.

    A response is taken to begin where the request ends, so a start is read as plain tokens.
    """

    def __init__(
        self,
        model: LocalModel,
        gates: LatentGates,
        *,
        rows: int = 256,
        version: Callable[[], int] = lambda: 0,
        ends: Callable[[Sequence[int]], bool] | None = None,
    ) -> None:
        self._model, self._gates = model, gates
        self._thinking = Thinking(LocalCodec(model.tokenizer), gates.settings.marker)
        self._rows = _at_once(model, rows)
        self._version, self._ends = version, ends
        self._stop_ids = frozenset(model.stop_ids)
        self.tokens_decoded = 0

    @property
    def version(self) -> int:
        return self._version()

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        """Yields (index of the request, its completions in sibling order) as requests finish.

        The stop token is part of a completion that ends with "eos". Raises ForageError at once for a request that the
        model cannot serve, and while sampling when the logits are not finite.
        """
        check_requests(requests, params, self._model.config)
        return self._results(requests, params)

    def _results(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        lines = [
            _Line(number, sibling, stream, limit_of(request, params))
            for number, request in enumerate(requests)
            for sibling, stream in enumerate(stream_keys(request.seed, request.group_size))
        ]
        expect = Expectations(self._model, self._gates.settings)
        done: dict[int, list[Completion]] = {}
        for first in range(0, len(lines), self._rows):
            block = lines[first : first + self._rows]
            self._grow(block, [requests[line.request].tokens for line in block], params, expect)
            for line in block:
                mine = done.setdefault(line.request, [])
                stop = "eos" if line.said_stop else "length"
                mine.append(Completion(tuple(line.tokens), tuple(line.logprobs), tuple(line.entropies), stop))
                if len(mine) == requests[line.request].group_size:
                    yield line.request, tuple(done.pop(line.request))

    @torch.inference_mode()
    def _grow(
        self, live: list[_Line], starts: Sequence[tuple[int, ...]], params: SamplingParams, expect: Expectations
    ) -> None:
        longest = max(len(start) + line.limit for start, line in zip(starts, live, strict=True))
        rows = GrowingRows(self._model, self._gates, starts, longest)
        head, device = self._model.head.float32(), self._model.device
        for place in range(params.max_tokens):
            logits = head.logits(rows.hidden)
            streams = np.array([line.stream for line in live], dtype=np.uint64)
            uniform = torch.from_numpy(uniforms(streams, np.full(len(live), place))).to(device)
            drawn = draw(logits, uniform, params)
            columns = (each.tolist() for each in (drawn.tokens, drawn.logprob, drawn.entropy))
            for line, *values in zip(live, *columns, strict=True):
                self._append(line, *values)
            index = torch.tensor([row for row, line in enumerate(live) if not line.finished], device=device)
            if not len(index):
                return
            expected = expect(logits, temperature=params.temperature, place=place)
            if len(index) < len(live):
                rows.keep(index)
                live = [live[row] for row in index.tolist()]
            self.tokens_decoded += len(live)
            thinking = torch.tensor([line.thinking for line in live], device=device)
            rows.advance(drawn.tokens[index], expected[index], thinking)

    def _append(self, line: _Line, token: int, logprob: float, entropy: float) -> None:
        line.tokens.append(token)
        line.logprobs.append(logprob)
        line.entropies.append(entropy)
        line.said_stop = token in self._stop_ids or (self._ends is not None and self._ends(line.tokens))
        line.thinking = line.thinking and not self._thinking.ended(line.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridBatch(Batch):
    """A batch with what its tokens are read as: blends with `expected` (B, T, d) where `thinking` (B, T) bool."""

    expected: Tensor
    thinking: Tensor


class Reader:
    """Reads responses again as they were read while they were sampled; `rows` grow together.

    What lies before the first learned token of a row is read as plain tokens.
    """

    def __init__(self, model: LocalModel, gates: LatentGates, *, temperature: float, rows: int) -> None:
        self._model, self._gates, self._temperature = model, gates, temperature
        self._thinking = Thinking(LocalCodec(model.tokenizer), gates.settings.marker)
        self._rows = _at_once(model, rows)

    @torch.no_grad()
    def read(self, batch: Batch) -> HybridBatch:
        """The batch with what the weights, as they are, expect in the places of its learned tokens."""
        device, batch = batch.tokens.device, batch.to("cpu")
        expected = torch.zeros(*batch.tokens.shape, self._gates.decay.shape[0])
        plain = {each.name: getattr(batch, each.name) for each in fields(Batch)}
        read = HybridBatch(**plain, expected=expected, thinking=self._blended(batch))
        expect, sizes = Expectations(self._model, self._gates.settings), batch.lengths - _first(batch)
        order = sizes.argsort(descending=True, stable=True)
        # What is expected in the place of a row's last token is never read.
        order = order[sizes[order] > 1]
        for block in order.split(self._rows) if len(order) else ():
            expected[block] = self._expected(read.rows(block), expect)
        return read.to(device)

    def _blended(self, batch: Batch) -> Tensor:
        """(B, T) bool: the learned tokens that are read as blends."""
        blended = torch.zeros_like(batch.loss_mask)
        for row, (begin, end) in enumerate(zip(_first(batch).tolist(), batch.lengths.tolist(), strict=True)):
            count = self._thinking.before_end(batch.tokens[row, begin:end].tolist())
            blended[row, begin : begin + count] = True
        return blended & batch.loss_mask

    def _expected(self, batch: HybridBatch, expect: Expectations) -> Tensor:
        """(B, T, d) of rows on the CPU, longest responses first: all of them grow by their own tokens."""
        first, end, device = _first(batch), batch.lengths, self._model.device
        starts = [tuple(row[:begin].tolist()) for row, begin in zip(batch.tokens, first, strict=True)]
        rows, head = GrowingRows(self._model, self._gates, starts, int(end.max())), self._model.head.float32()
        expected = torch.zeros_like(batch.expected)
        for place in range(int((end - first).max()) - 1):
            count = int((end - first - 1 > place).sum())
            if count < len(rows.lengths):
                rows.keep(torch.arange(count, device=device))
            row, column = torch.arange(count), first[:count] + place
            latent = expect(head.logits(rows.hidden), temperature=self._temperature, place=place)
            expected[row, column] = latent.cpu()
            rows.advance(batch.tokens[row, column].to(device), latent, batch.thinking[row, column].to(device))
        return expected


def _first(batch: Batch) -> Tensor:
    """(B,) int64: the first learned token of each row; 0 where there is none."""
    return batch.loss_mask.int().argmax(dim=1)


def _at_once(model: LocalModel, rows: int) -> int:
    """How many rows grow together, so that their logits have room."""
    return max(1, min(rows, LOGITS_PER_CHUNK // model.head.weight.shape[0]))

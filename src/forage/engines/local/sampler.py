"""Sampling in this process: continuous batching over unmodified Hugging Face modules.

Starts that are prefixes of one another lie on one path (all the step ends of a rollout do), and a path is read once:
each row copies the positions of its own start. Memory is bounded: the keys and values of one reading pass
(`PREFILL_TOKENS`, or one longer path) and those of `rows` rows. Every pass computes one token for every live row;
finished rows leave at once and waiting ones take their place. Log-probability and entropy are taken
from the logits that the token is drawn from, so they cost no second pass.

Axes: n live rows, P starts of one reading pass, T tokens, V vocabulary, d width.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.engines.local.cache import RowCache, StartCache
from forage.engines.local.decoding import DecodingPass, decoding_pass
from forage.engines.local.model import LocalModel
from forage.engines.local.token_sampling import Draw, draw, stream_keys, uniforms
from forage.engines.requests import check_requests, limit_of

PREFILL_TOKENS = 4096
"""Padded tokens that one reading pass takes at most (one path at least)."""

LOGITS_PER_CHUNK = 1 << 24
"""Logits that exist at once: with large vocabularies the rows of a step are drawn in chunks."""


class LocalSampler:
    """A `Sampler` over a `LocalModel`. `rows` completions grow at a time: more is faster until memory ends.

    `version` tells how many optimizer steps the weights have taken; `stop_ids` end a completion too, and so does a
    token for which `ends`, asked with all tokens of the completion, says so. `decoding` makes the
    pass over the live rows. `tokens_read` and `tokens_decoded` count
    what all calls together computed: tokens of starts, and passes over sampled tokens.
    """

    def __init__(
        self,
        model: LocalModel,
        *,
        rows: int = 256,
        version: Callable[[], int] = lambda: 0,
        stop_ids: Sequence[int] = (),
        ends: Callable[[Sequence[int]], bool] | None = None,
        decoding: Callable[[LocalModel, RowCache], DecodingPass] = decoding_pass,
    ) -> None:
        if rows < 1:
            raise ForageError(f"The sampler needs at least 1 row, not {rows}.")
        self._model = model
        self._rows = rows
        self._version = version
        self._ends = ends
        self._decoding = decoding
        self._stop_ids = tuple(sorted({*model.stop_ids, *stop_ids}))
        self.tokens_read = 0
        self.tokens_decoded = 0

    @property
    def version(self) -> int:
        return self._version()

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        """Yields (index of the request, its completions in sibling order) as soon as all of them are done.

        The stop token is part of a completion that ends with "eos". Raises ForageError at once for a request that the
        model cannot serve, and while sampling when the logits are not finite. Closing the iterator stops the work.
        """
        check_requests(requests, params, self._model.config)
        return self._results(
            _Sampling(self._model, requests, params, self._rows, self._stop_ids, self._ends, self._decoding)
        )

    def _results(self, sampling: "_Sampling") -> Iterator[tuple[int, tuple[Completion, ...]]]:
        try:
            yield from sampling.results()
        finally:
            self.tokens_read += sampling.waiting.tokens_read
            self.tokens_decoded += sampling.tokens_decoded


def shared_paths(starts: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """The starts that are no prefix of another one, each with the distinct starts that lie on it (itself included)."""
    paths: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    path: tuple[int, ...] = ()
    # In this order whatever begins with a start follows it at once, so from behind a path comes before its prefixes.
    for start in sorted(set(starts), reverse=True):
        if path[: len(start)] != start:
            path = start
        paths.setdefault(path, []).append(start)
    return paths


class _Waiting:
    """Distinct starts that still owe rows, longest path first, and what reading them gave."""

    def __init__(self, model: LocalModel, requests: Sequence[SampleRequest]) -> None:
        self._owed: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for number, request in enumerate(requests):
            lines = [(number, sibling) for sibling in range(request.group_size)]
            self._owed.setdefault(request.tokens, []).extend(lines)
        self.total = sum(map(len, self._owed.values()))
        # Rows of similar length then live together: less padding when paths are read and when rows attend.
        self._paths = sorted(shared_paths(self._owed).items(), key=lambda item: len(item[0]), reverse=True)
        self._model = model
        self._next_path = 0
        self._block: list[tuple[int, int, int, list[tuple[int, int]]]] = []
        self.cache: StartCache | None = None
        self.hidden = torch.empty(0)
        self.tokens_read = 0

    def take(self, count: int) -> list[tuple[int, int, int, int, int]]:
        """Up to `count` rows of the block that is read: (start in `hidden`, path, length, request, sibling)."""
        if not self._block and self._next_path < len(self._paths):
            self._read()
        taken: list[tuple[int, int, int, int, int]] = []
        while self._block and len(taken) < count:
            index, path, length, lines = self._block[0]
            part, rest = lines[: count - len(taken)], lines[count - len(taken) :]
            taken += [(index, path, length, number, sibling) for number, sibling in part]
            if rest:
                self._block[0] = (index, path, length, rest)
            else:
                del self._block[0]
        return taken

    @torch.inference_mode()
    def _read(self) -> None:
        """One right-padded pass over the next paths: their keys and values, the hidden state at each start's end."""
        width = len(self._paths[self._next_path][0])
        paths = self._paths[self._next_path : self._next_path + max(1, PREFILL_TOKENS // width)]
        tokens = torch.tensor([[*path, *[0] * (width - len(path))] for path, _ in paths], device=self._model.device)
        self.cache = StartCache(self._model.config.num_hidden_layers)
        hidden = self._model.decoder(tokens, past_key_values=self.cache, use_cache=True)
        ends = [(row, start) for row, (_, starts) in enumerate(paths) for start in starts]
        ends.sort(key=lambda end: len(end[1]), reverse=True)
        rows = torch.tensor([row for row, _ in ends], device=tokens.device)
        self.hidden = hidden[rows, torch.tensor([len(start) - 1 for _, start in ends], device=tokens.device)]
        self._block = [(i, row, len(start), self._owed[start]) for i, (row, start) in enumerate(ends)]
        self._next_path += len(paths)
        self.tokens_read += sum(len(path) for path, _ in paths)


class _Sampling:
    """One call of `sample`. Rows 0 ... n - 1 are live; whatever describes a row is an array over rows."""

    def __init__(
        self,
        model: LocalModel,
        requests: Sequence[SampleRequest],
        params: SamplingParams,
        rows: int,
        stop_ids: tuple[int, ...],
        ends: Callable[[Sequence[int]], bool] | None,
        decoding: Callable[[LocalModel, RowCache], DecodingPass],
    ) -> None:
        self._model = model
        self._ends = ends
        # In float32 whatever the model is, as the learner computes them: their ratio must be 1 before the first update.
        self._head = model.head.float32()
        self._params = params
        self._stop_ids = np.array(stop_ids, dtype=np.int64)
        self.waiting = _Waiting(model, requests)
        self.tokens_decoded = 0
        self._keys = [stream_keys(request.seed, request.group_size) for request in requests]
        self._done: list[list[Completion | None]] = [[None] * request.group_size for request in requests]
        self._owed = [request.group_size for request in requests]
        rows = min(rows, self.waiting.total)
        self._rows = rows
        self._live = 0
        self._limits = np.array([limit_of(request, params) for request in requests], dtype=np.int64)
        longest = max((len(request.tokens) + limit_of(request, params) for request in requests), default=0)
        self._cache = RowCache(model.config.num_hidden_layers, rows, longest)
        self._pass = decoding(model, self._cache)
        self._start = np.zeros(rows, dtype=np.int64)
        self._count = np.zeros(rows, dtype=np.int64)
        self._stream = np.zeros(rows, dtype=np.uint64)
        self._request = np.zeros(rows, dtype=np.int64)
        self._sibling = np.zeros(rows, dtype=np.int64)
        self._said_stop = np.zeros(rows, dtype=bool)
        self._tokens = np.zeros((rows, params.max_tokens), dtype=np.int64)
        self._logprobs = np.zeros((rows, params.max_tokens), dtype=np.float32)
        self._entropies = np.zeros((rows, params.max_tokens), dtype=np.float32)

    def results(self) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        while True:
            hidden = self._advance()
            if hidden is None:
                return
            finished = self._draw(hidden)
            if finished.any():
                yield from self._leave(finished)

    @torch.inference_mode()
    def _advance(self) -> Tensor | None:
        """The hidden states (n, d) that score every live row's next token; None when all is done.

        Rows that are under way take one pass; rows that enter bring the hidden state of their start.
        """
        running = self._decode() if self._live else None
        parts = [] if running is None else [running]
        while self._live < self._rows:
            taken = self.waiting.take(self._rows - self._live)
            if not taken:
                break
            parts.append(self._enter(taken))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _enter(self, taken: list[tuple[int, int, int, int, int]]) -> Tensor:
        index, path, length, request, sibling = np.array(taken, dtype=np.int64).T
        first, last = self._live, self._live + len(taken)
        self._start[first:last] = length
        self._count[first:last] = 0
        self._request[first:last] = request
        self._sibling[first:last] = sibling
        self._stream[first:last] = [self._keys[number][line] for *_, number, line in taken]
        rows = torch.from_numpy(path.copy()).to(self._model.device)
        assert self.waiting.cache is not None
        self._cache.enter(self.waiting.cache, rows, first, int(length.max()))
        self._live = last
        return self.waiting.hidden[torch.from_numpy(index.copy()).to(self._model.device)]

    def _decode(self) -> Tensor:
        live, device = self._live, self._model.device
        self.tokens_decoded += live
        column = self._start[:live] + self._count[:live] - 1
        width = int(column.max()) + 1
        last = self._tokens[np.arange(live), self._count[:live] - 1]
        positions = torch.from_numpy(column).to(device)
        tokens = torch.from_numpy(last).to(device)
        return self._pass(tokens, positions, width, level=int(column.min()) + 1 == width)

    @torch.inference_mode()
    def _draw(self, hidden: Tensor) -> np.ndarray:
        """Draws and records one token for every live row; returns which rows are finished, (n,) bool."""
        live = self._live
        count = self._count[:live]
        uniform = torch.from_numpy(uniforms(self._stream[:live], count)).to(hidden.device)
        chunk = max(1, LOGITS_PER_CHUNK // self._head.weight.shape[0])
        drawn: list[Draw] = [
            draw(self._head.logits(part), numbers, self._params)
            for part, numbers in zip(hidden.split(chunk), uniform.split(chunk), strict=True)
        ]
        row = np.arange(live)
        tokens = torch.cat([part.tokens for part in drawn]).cpu().numpy()
        self._tokens[row, count] = tokens
        self._logprobs[row, count] = torch.cat([part.logprob for part in drawn]).cpu().numpy()
        self._entropies[row, count] = torch.cat([part.entropy for part in drawn]).cpu().numpy()
        count += 1
        self._said_stop[:live] = (tokens[:, None] == self._stop_ids).any(axis=1)
        if self._ends is not None:
            for line in row[~self._said_stop[:live]].tolist():
                self._said_stop[line] = self._ends(self._tokens[line, : count[line]].tolist())
        return self._said_stop[:live] | (count == self._limits[self._request[:live]])

    @torch.inference_mode()
    def _compact(self, finished: np.ndarray) -> None:
        """The last live rows move into the places of those that leave."""
        remaining = self._live - int(finished.sum())
        target = np.flatnonzero(finished[:remaining])
        source = remaining + np.flatnonzero(~finished[remaining:])
        if len(source):
            for column in (self._start, self._count, self._stream, self._request, self._sibling):
                column[target] = column[source]
            for table in (self._tokens, self._logprobs, self._entropies):
                table[target] = table[source]
            device = self._model.device
            positions = int((self._start[target] + self._count[target]).max())
            self._cache.move(torch.from_numpy(source).to(device), torch.from_numpy(target).to(device), positions)
        self._live = remaining

    def _leave(self, finished: np.ndarray) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        complete: list[int] = []
        for row in np.flatnonzero(finished).tolist():
            number, count = int(self._request[row]), int(self._count[row])
            tokens = tuple(self._tokens[row, :count].tolist())
            self._done[number][int(self._sibling[row])] = Completion(
                tokens=tokens,
                logprobs=tuple(self._logprobs[row, :count].tolist()),
                entropies=tuple(self._entropies[row, :count].tolist()),
                stop="eos" if self._said_stop[row] else "length",
            )
            self._owed[number] -= 1
            if not self._owed[number]:
                complete.append(number)
        self._compact(finished)
        for number in complete:
            done, self._done[number] = self._done[number], []
            yield number, tuple(completion for completion in done if completion is not None)

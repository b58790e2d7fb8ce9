"""A `Sampler` over vLLM: siblings, seeds and versions."""

import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.core.seeds import derive_seed
from forage.engines.requests import check_requests, limit_of
from forage.engines.vllm.engine import Engine, Output, Request, RequestParams


class VllmSampler:
    """Draws from the policy as it is now: weights that have changed since the last call are handed over first.

    `save` writes the policy's whole model into a folder, `version` counts its optimizer steps and `config` is its
    configuration; `open_engine` starts vLLM on a folder, at the first call. What ends a completion: `stop_ids`, and
    the texts `stops`, for which `ends` says exactly after which token (asked with all tokens of the completion).

    A completion's log-probabilities are vLLM's, of the distribution really drawn from; a token that vLLM gives no
    finite one for has NaN, and learns nothing. Its entropies are NaN: vLLM sees only the top of its distribution.
    """

    def __init__(
        self,
        open_engine: Callable[[Path], Engine],
        *,
        save: Callable[[Path], None],
        version: Callable[[], int],
        config: Any,
        stop_ids: Sequence[int] = (),
        stops: Sequence[str] = (),
        ends: Callable[[Sequence[int]], bool] | None = None,
        handover: str = "",
    ) -> None:
        self._open_engine, self._save, self._version, self._config = open_engine, save, version, config
        self._stop_ids, self._stops, self._ends = tuple(sorted(set(stop_ids))), tuple(stops), ends
        self._handover, self._folders = handover, list[Path]()
        self._engine: Engine | None = None
        self._loaded = -1

    @property
    def version(self) -> int:
        return self._version()

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        """Yields (index of the request, its completions in sibling order) as soon as all of them are done.

        Raises ForageError at once for a request that the model cannot serve.
        """
        check_requests(requests, params, self._config)
        return self._results(requests, params)

    def close(self) -> None:
        """Ends an engine that was started here, and removes the weights that were handed over, also to one in vain."""
        try:
            if self._engine is not None:
                self._engine.close()
        finally:
            self._engine = None
            for folder in self._folders:
                shutil.rmtree(folder, ignore_errors=True)
            self._folders.clear()

    def _results(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        engine = self._current()
        places = [(number, sibling) for number, request in enumerate(requests) for sibling in range(request.group_size)]
        engine_requests = [
            Request(requests[n].tokens, sibling_seed(requests[n].seed, sibling), limit_of(requests[n], params))
            for n, sibling in places
        ]
        done: list[dict[int, Completion]] = [{} for _ in requests]
        for index, output in engine.generate(engine_requests, RequestParams(params, self._stop_ids, self._stops)):
            number, sibling = places[index]
            done[number][sibling] = self._completion(output)
            if len(done[number]) == requests[number].group_size:
                completions, done[number] = done[number], {}
                yield number, tuple(completions[sibling] for sibling in sorted(completions))

    def _current(self) -> Engine:
        """The engine with the policy's weights of this moment. A fresh folder for each version: vLLM may map files."""
        if self._engine is not None and self._loaded == self.version:
            return self._engine
        folder = Path(tempfile.mkdtemp(prefix="forage-weights-", dir=self._handover or None))
        self._folders.append(folder)
        self._save(folder)
        if self._engine is None:
            self._engine = self._open_engine(folder)
        else:
            self._engine.load(folder)
            for before in self._folders[:-1]:
                shutil.rmtree(before, ignore_errors=True)
            del self._folders[:-1]
        self._loaded = self.version
        return self._engine

    def _completion(self, output: Output) -> Completion:
        """Cut behind the token that completed a stop text, where the tokens say so earlier than vLLM's text did."""
        tokens, logprobs, stopped = output.tokens, output.logprobs, output.stopped
        if self._ends is not None:
            for length in range(1, len(tokens) + 1):
                if self._ends(tokens[:length]):
                    tokens, logprobs, stopped = tokens[:length], logprobs[:length], True
                    break
        return Completion(
            tokens=tokens,
            logprobs=tuple(p if math.isfinite(p) else math.nan for p in logprobs),
            entropies=(math.nan,) * len(tokens),
            stop="eos" if stopped else "length",
        )


def sibling_seed(seed: int, sibling: int) -> int:
    """The seed of one sibling's own stream in vLLM, below 2**63: the same whatever else is in the batch."""
    return derive_seed(seed, "sibling", sibling)

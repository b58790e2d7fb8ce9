"""A vLLM server (`vllm serve`), spoken to over HTTP.

Completions go through its OpenAI-compatible endpoint, token ids in and out. Weights are taken through the endpoints
that a server has in development mode (VLLM_SERVER_DEV_MODE=1): /collective_rpc and /reset_prefix_cache.
"""

import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.engines.vllm.engine import Engine, Output, Request, RequestParams

CONNECTIONS = 64
PATIENCE = 600.0
"""Seconds that one answer may take."""


class ServerEngine(Engine):
    """An `Engine` over the server at `address`. Raises ForageError where none answers there.

    At a temperature other than 1 the server must have been started with `--logprobs-mode processed_logprobs`; the
    metric `mismatch` shows where it was not.
    """

    def __init__(self, address: str, *, patience: float = PATIENCE) -> None:
        self._address, self._patience = address.rstrip("/"), patience
        models = self._call("/v1/models")
        try:
            self._model = models["data"][0]["id"]
        except (KeyError, IndexError, TypeError) as error:
            raise ForageError(f"What answers at {self._address} is no vLLM server: it names no model.") from error

    def generate(
        self, engine_requests: Sequence[Request], request_params: RequestParams
    ) -> Iterator[tuple[int, Output]]:
        pool = ThreadPoolExecutor(min(CONNECTIONS, max(1, len(engine_requests))), thread_name_prefix="vllm")
        try:
            work = {
                pool.submit(self._complete, request, request_params): index
                for index, request in enumerate(engine_requests)
            }
            for done in as_completed(work):
                yield work[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def load(self, folder: Path) -> None:
        self._call("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}})
        if not (self._call("/reset_prefix_cache", {}) or {}).get("success", True):
            raise ForageError(f"The vLLM server at {self._address} did not forget what it computed with old weights.")

    def close(self) -> None:
        """Nothing: the server was there before, and stays."""

    def _complete(self, request: Request, request_params: RequestParams) -> Output:
        params = request_params.params
        wish = {
            "model": self._model,
            "prompt": list(request.tokens),
            "temperature": params.temperature,
            "top_p": params.top_p,
            "top_k": params.top_k,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "seed": request.seed,
            "max_tokens": request.limit,
            "logprobs": 0,
            "stop_token_ids": list(request_params.stop_ids),
            "stop": list(request_params.stops),
            "include_stop_str_in_output": True,
            "return_token_ids": True,
        }
        return self._output(self._call("/v1/completions", wish))

    def _output(self, reply: Any) -> Output:
        try:
            choice = reply["choices"][0]
            tokens = tuple(int(token) for token in choice["token_ids"])
            logprobs = tuple(math.nan if p is None else float(p) for p in choice["logprobs"]["token_logprobs"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ForageError(
                f"The server at {self._address} answered without the ids and log-probabilities of its tokens: it must "
                "be a vLLM that knows return_token_ids (0.11 or newer)."
            ) from error
        if choice["finish_reason"] not in ("stop", "length") or len(tokens) != len(logprobs) or not tokens:
            raise ForageError(f"The server at {self._address} gave a completion up ({choice['finish_reason']}).")
        return Output(tokens, logprobs, stopped=choice["finish_reason"] == "stop")

    def _call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON that the server answers to a POST of `body` (a GET where there is none); None for no content."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._address + path, data=data, headers={"Content-Type": "application/json"} if data else {}
        )
        try:
            with urllib.request.urlopen(request, timeout=self._patience) as response:
                text = response.read()
            return json.loads(text) if text.strip() else None
        except urllib.error.HTTPError as error:
            raise ForageError(self._refusal(path, error)) from error
        except (OSError, ValueError) as error:
            raise ForageError(
                f"No vLLM server answers at {self._address}{path}: {error}. Start one as docs/vllm.md shows."
            ) from error

    def _refusal(self, path: str, error: urllib.error.HTTPError) -> str:
        if error.code == 404 and not path.startswith("/v1/"):
            return (
                f"The vLLM server at {self._address} takes no new weights (it has no {path}): start it with "
                "VLLM_SERVER_DEV_MODE=1."
            )
        detail = error.read().decode(errors="replace").strip()[:300]
        return f"The vLLM server at {self._address} refused {path} ({error.code}): {detail}"

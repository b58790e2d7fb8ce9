"""vLLM's offline engine, in a process beside the trainer."""

import contextlib
import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from forage.core.errors import ForageError
from forage.engines.vllm.engine import Engine, Output, Request, RequestParams
from forage.engines.vllm.settings import MISSING

DEFAULTS = {"VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn", "VLLM_LOGGING_LEVEL": "ERROR"}
"""Where the person has not said otherwise. A fork would inherit the trainer's threads half way through their work."""
ON_CPU = {"VLLM_CPU_KVCACHE_SPACE": "1", "TORCHDYNAMO_DISABLE": "1"}
"""The same, without a GPU: what the cache of keys and values takes, in GiB, and no compiler."""


def open_offline(folder: Path, *, dtype: str, memory: float, trust: bool) -> "OfflineEngine":
    """Starts vLLM on the model in `folder`. Raises ForageError where it is missing or cannot run the model.

    Without a GPU nothing is compiled: that takes minutes, and a model that a CPU can train runs well without.
    """
    on_gpu = torch.cuda.is_available()
    for name, value in (DEFAULTS if on_gpu else DEFAULTS | ON_CPU).items():
        os.environ.setdefault(name, value)
    try:
        import vllm  # pyright: ignore[reportMissingImports]  (an extra)
    except (ImportError, RuntimeError, AttributeError) as error:
        if getattr(error, "name", None) == "vllm":
            raise ForageError(MISSING) from error
        raise ForageError(
            f"vLLM is installed but cannot be imported ({_first_line(error)}): it does not fit this torch or what lies "
            "beside it. docs/vllm.md says which packages go together."
        ) from error
    try:
        llm = vllm.LLM(
            model=str(folder),
            dtype=dtype,
            trust_remote_code=trust,
            gpu_memory_utilization=memory,
            enforce_eager=not on_gpu,
            enable_prefix_caching=True,
            logprobs_mode="processed_logprobs",
            generation_config="vllm",
            disable_log_stats=True,
            use_tqdm_on_load=False,
            seed=0,
        )
    except (RuntimeError, ValueError, OSError, NotImplementedError) as error:
        raise ForageError(
            f"vLLM could not be started on this model: {_first_line(error)} Set VLLM_LOGGING_LEVEL=INFO to see what "
            "it says, or sample with the `sampler` local."
        ) from error
    return OfflineEngine(llm, vllm.SamplingParams)


class OfflineEngine(Engine):
    """An `Engine` over a `vllm.LLM`; `sampling_params` is vLLM's class of that name."""

    def __init__(self, llm: Any, sampling_params: Any) -> None:
        self._llm, self._sampling_params = llm, sampling_params
        self._numbers = itertools.count()

    def generate(
        self, engine_requests: Sequence[Request], request_params: RequestParams
    ) -> Iterator[tuple[int, Output]]:
        engine, waiting = self._llm.llm_engine, dict[str, int]()
        try:
            for index, request in enumerate(engine_requests):
                name = f"forage-{next(self._numbers)}"
                engine.add_request(
                    name, {"prompt_token_ids": list(request.tokens)}, self._native_params(request, request_params)
                )
                waiting[name] = index
            while waiting:
                for output in engine.step():
                    if output.finished and output.request_id in waiting:
                        yield waiting.pop(output.request_id), _output(output.outputs[0])
        except (RuntimeError, ValueError) as error:
            raise ForageError(f"vLLM stopped while it sampled: {_first_line(error)}") from error
        finally:
            if waiting:
                with contextlib.suppress(RuntimeError):  # an engine that died has nothing to give up
                    engine.abort_request(list(waiting))

    def load(self, folder: Path) -> None:
        self._llm.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)})
        if self._llm.reset_prefix_cache() is False:
            raise ForageError("vLLM did not forget what it computed with the old weights, so its samples would be old.")

    def close(self) -> None:
        self._llm.llm_engine.engine_core.shutdown()

    def _native_params(self, request: Request, request_params: RequestParams) -> Any:
        params = request_params.params
        return self._sampling_params(
            temperature=params.temperature,
            top_p=params.top_p,
            top_k=params.top_k,
            seed=request.seed,
            max_tokens=request.limit,
            logprobs=0,
            stop_token_ids=list(request_params.stop_ids),
            stop=list(request_params.stops) or None,
            include_stop_str_in_output=bool(request_params.stops),
            detokenize=bool(request_params.stops),
        )


def _output(completion: Any) -> Output:
    tokens = tuple(completion.token_ids)
    if completion.finish_reason not in ("stop", "length") or not tokens:
        raise ForageError(f"vLLM gave a completion up ({completion.finish_reason}).")
    places: Sequence[Mapping[int, Any]] = completion.logprobs or [{}] * len(tokens)
    logprobs = tuple(
        float(place[token].logprob) if token in place else math.nan for token, place in zip(tokens, places, strict=True)
    )
    return Output(tokens, logprobs, stopped=completion.finish_reason == "stop")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

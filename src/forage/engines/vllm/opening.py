"""Who draws a run's rollouts: the trainer's own model, or vLLM with the trainer's weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forage.core.errors import ForageError
from forage.core.protocols import Policy, Sampler
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.local.stop_strings import EndTexts
from forage.engines.vllm.engine import Engine
from forage.engines.vllm.offline import open_offline
from forage.engines.vllm.recompute_logprobs import RecomputeLogprobs
from forage.engines.vllm.sampler import VllmSampler
from forage.engines.vllm.server import ServerEngine
from forage.engines.vllm.settings import Vllm
from forage.engines.vllm.sync_weights import sync_weights


@contextmanager
def open_sampler(vllm: Vllm | None, opened: Opened, engine: LocalEngine) -> Iterator[tuple[Policy, Sampler]]:
    """The policy and the sampler of a run whose model is `opened` by `engine`. What was started ends with the block."""
    if vllm is None:
        yield opened.policy, opened.sampler
        return
    vllm.require()
    if opened.thinks:
        raise ForageError("vLLM reads tokens alone, and this model thinks partly in embeddings: leave `sampler` out.")
    model, policy = opened.policy.model, RecomputeLogprobs(opened.policy, vllm)

    def start(folder: Path) -> Engine:
        if not vllm.server:
            return open_offline(folder, dtype=engine.dtype, memory=vllm.memory, trust=engine.trust_remote_code)
        server = ServerEngine(vllm.server)
        server.load(folder)
        return server

    sampler = VllmSampler(
        start,
        save=lambda folder: sync_weights(model, folder),
        version=lambda: policy.version,
        config=model.config,
        stop_ids=model.stop_ids,
        stops=engine.stops,
        ends=EndTexts(opened.codec, engine.stops) if engine.stops else None,
        handover=vllm.handover,
    )
    try:
        yield policy, sampler
    finally:
        sampler.close()

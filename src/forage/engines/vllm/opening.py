"""Who draws a run's rollouts: the trainer's own model, or vLLM with the trainer's weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forage.engines.local.ends import EndTexts
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.vllm.beside import open_beside
from forage.engines.vllm.engine import Engine
from forage.engines.vllm.handover import hand_over
from forage.engines.vllm.rereading import Rereading
from forage.engines.vllm.sampler import VllmSampler
from forage.engines.vllm.server import ServerEngine
from forage.engines.vllm.settings import Vllm
from forage.protocols import Policy, Sampler


@contextmanager
def sampled_by(vllm: Vllm | None, opened: Opened, engine: LocalEngine) -> Iterator[tuple[Policy, Sampler]]:
    """The policy and the sampler of a run whose model is `opened` by `engine`. What was started ends with the block."""
    if vllm is None:
        yield opened.policy, opened.sampler
        return
    vllm.require()
    model, policy = opened.policy.model, Rereading(opened.policy, cap=vllm.cap)

    def start(folder: Path) -> Engine:
        if not vllm.server:
            return open_beside(folder, dtype=engine.dtype, memory=vllm.memory, trust=engine.trust_remote_code)
        server = ServerEngine(vllm.server)
        server.load(folder)
        return server

    sampler = VllmSampler(
        start,
        save=lambda folder: hand_over(model, folder),
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

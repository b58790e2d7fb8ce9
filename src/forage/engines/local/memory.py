"""How many tokens a pass of an update takes and how many responses are sampled at once, chosen by the memory there is.

The costs are measured on the model: what a short forward pass keeps for its backward pass, and what a cache keeps. The
choice goes by powers of two, so that small changes of the free memory choose alike, and a run records it.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from forage.engines.local.cache import StartCache
from forage.engines.local.model import LocalModel

PROBE = 64
"""Tokens of the pass that is measured."""

PASS_TOKENS = (256, 16_384)
ROWS = (8, 1024)
"""The least and the most that is chosen."""

CPU_PASS = 3 << 29
CPU_ROWS = 256
"""On a CPU a pass that keeps more bytes and more rows at once are no faster: both are bound by arithmetic by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Bytes. `held`: weights, gradients and two moments, all run long; `token`: kept for the backward pass for each
    token of a pass; `position`: keys and values of one token of a row."""

    held: int
    token: int
    position: int


def measure_costs(model: LocalModel) -> Costs:
    """Runs one short pass with gradients and one that fills a cache; the weights stay as they are."""
    parameters = list(model.module.parameters())
    weights = sum(p.numel() * p.element_size() for p in parameters)
    learned = sum(p.numel() * p.element_size() for p in parameters if p.requires_grad)
    own = {p.untyped_storage().data_ptr() for p in parameters}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = torch.zeros(1, PROBE, dtype=torch.int64, device=model.device)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        hidden = model.hidden(tokens)
    token = sum(kept.values()) // PROBE
    del hidden
    if model.recomputes:  # one layer at a time keeps what all of them would
        token *= 2
    cache = StartCache(model.config.num_hidden_layers)
    with torch.inference_mode():
        model.decoder(tokens, past_key_values=cache, use_cache=True)
    # Layers that share keys and values keep none of their own.
    tensors = [t for layer in cast(Any, cache.layers) for t in (layer.keys, layer.values) if t is not None]
    position = sum(t.numel() * t.element_size() for t in tensors) // PROBE
    return Costs(held=weights + 3 * learned, token=max(1, token), position=max(1, position))


def free_memory(device: str) -> int:
    """Bytes that this process may still take: on the device, or on the machine within the limit of its container."""
    if device != "cpu":
        return torch.cuda.mem_get_info(torch.device(device))[0]
    free = _field("MemAvailable")
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(free, 0)


def pass_tokens(costs: Costs, free: int, *, device: str) -> int:
    """Tokens of a pass: what they keep takes at most half of what is free beside the weights and their moments."""
    budget = max(0, free - costs.held) // 2
    if device == "cpu":
        budget = min(budget, CPU_PASS)
    return _power_of_two(budget // costs.token, *PASS_TOKENS)


def sampled_rows(costs: Costs, free: int, *, device: str, positions: int) -> int:
    """Rows of the sampler: caches of `positions` positions each take at most a quarter of the same."""
    most = CPU_ROWS if device == "cpu" else ROWS[1]
    return _power_of_two(max(0, free - costs.held) // 4 // (costs.position * positions), ROWS[0], most)


def _power_of_two(limit: int, least: int, most: int) -> int:
    """The largest power of two within `limit`, between `least` and `most`, which are powers of two."""
    return min(max(1 << max(0, limit.bit_length() - 1), least), most)


def _field(name: str) -> int:
    """A line of /proc/meminfo in bytes; much where a system has no such file."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 1 << 40
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:")), 1 << 40)
